"""What can be called, read from an OpenAPI document."""

from copy import deepcopy
from typing import Any

import pytest

from ratoon.domain.errors import UsageError
from ratoon.serving.generating.operations import METHODS, operations, reached
from ratoon.serving.generating.written import document


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document()


def test_every_operation_is_a_method(described: dict[str, Any]) -> None:
    """Each path outside surfaces is a method, pages aside; what writes under a key, or changes nothing, can be sent again."""
    found = {one.name: one for one in operations(described)}
    assert {f"{one.group}.{one.name}" for one in found.values()} == {*METHODS.values(), "changing.add_items"}
    assert {name for name, one in found.items() if not one.repeatable} == {"activate", "refresh", "promote_trial", "end_trial"}
    assert {name for name, one in found.items() if one.keyed} == {"events", "add_item", "add_items", "change_item"}
    assert (found["events"].body_name, found["events"].several) == ("EventBody", "events")
    assert (found["add_item"].several, found["add_items"].several) == (None, "items")
    assert found["similar"].placed == ("item_id",)
    assert list(found["similar"].query) == ["k"]


def test_an_operation_without_a_name(described: dict[str, Any]) -> None:
    """A route that is new or gone is told, so that nobody forgets the client."""
    more = deepcopy(described)
    more["paths"]["/v1/news"] = {"get": {}}
    del more["paths"]["/metrics"]
    with pytest.raises(
        UsageError, match="expected the operations that have names, found get /metrics, get /v1/news. Name it in METHODS"
    ):
        operations(more)


def test_parts_come_first() -> None:
    """Schemas are listed after those that they are made of, each once."""
    schemas: dict[str, Any] = {
        "Whole": {"properties": {"parts": {"items": {"$ref": "#/x/Part"}}, "one": {"$ref": "#/x/Leaf"}}},
        "Part": {"properties": {"leaf": {"anyOf": [{"$ref": "#/x/Leaf"}, {"type": "null"}]}}},
        "Leaf": {"properties": {}},
    }
    assert reached(schemas, ["Whole", "Leaf"]) == ["Leaf", "Part", "Whole"]
