"""JSON Schemas as Python types."""

from typing import Any

import pytest

from ratoon.domain.errors import UsageError
from ratoon.serving.generating.kinds import answered, named, reading, sent

NULL = {"type": "null"}
TIME = {"type": "string", "format": "date-time"}
PART = {"$ref": "#/components/schemas/Part"}
JSON = {"$ref": "#/components/schemas/JsonValue"}


@pytest.mark.parametrize(
    ("schema", "answer", "body"),
    [
        ({"type": "string"}, "str", "str"),
        ({"anyOf": [{"type": "integer"}, NULL]}, "int | None", "int | None"),
        ({"type": "number"}, "float", "float"),
        ({"enum": ["a", "b"]}, "Literal['a', 'b']", "Literal['a', 'b']"),
        ({"const": "a"}, "Literal['a']", "Literal['a']"),
        (TIME, "datetime", "datetime | str"),
        ({"type": "array", "items": PART}, "list[Part]", "Sequence[Part]"),
        ({"anyOf": [{"type": "array", "items": TIME}, NULL]}, "list[datetime]", "Sequence[datetime | str] | None"),
        ({"type": "object", "additionalProperties": JSON}, "dict[str, Json]", "Mapping[str, Json]"),
        ({"type": "object", "additionalProperties": True}, "dict[str, Json]", "Mapping[str, Json]"),
        ({"$ref": "#/components/schemas/Filter3"}, "Filter", "Filter"),
        ({}, "Json", "Json"),
    ],
)
def test_types(schema: dict[str, Any], answer: str, body: str) -> None:
    """Each schema has a type in answers, where null lists are empty ones, and a wider one in bodies."""
    assert (answered(schema), sent(schema)) == (answer, body)


@pytest.mark.parametrize(
    ("schema", "read"),
    [
        ({"type": "string"}, 'raw["x"]'),
        (TIME, 'datetime.fromisoformat(raw["x"])'),
        ({"anyOf": [TIME, NULL]}, 'None if raw["x"] is None else datetime.fromisoformat(raw["x"])'),
        (PART, 'Part.read(raw["x"])'),
        ({"type": "array", "items": PART}, '[Part.read(one) for one in raw["x"]]'),
        ({"anyOf": [{"type": "array", "items": PART}, NULL]}, '[Part.read(one) for one in raw["x"] or ()]'),
        ({"type": "array", "items": {"type": "string"}}, 'list(raw["x"])'),
        ({"type": "object", "additionalProperties": PART}, '{name: Part.read(one) for name, one in raw["x"].items()}'),
        (JSON, 'raw["x"]'),
    ],
)
def test_reading(schema: dict[str, Any], read: str) -> None:
    """Only what is no plain JSON costs anything to read."""
    assert reading(schema, 'raw["x"]') == read


def test_what_may_be_missing() -> None:
    """What need not be there is asked for carefully."""
    assert reading({"anyOf": [{"type": "string"}, NULL]}, "raw[0]", "raw.get(0)") == "raw.get(0)"
    assert reading({"anyOf": [PART, NULL]}, "raw[0]", "raw.get(0)") == "None if raw.get(0) is None else Part.read(raw[0])"


def test_a_schema_without_a_type() -> None:
    """A schema that nobody thought of is told, not called anything."""
    with pytest.raises(UsageError, match="expected a schema with a Python type, found .*allOf.*. Teach it to `_typed`."):
        answered({"allOf": [PART]})


def test_names() -> None:
    """The levels of a filter are one type, and any JSON is none."""
    assert [named(one) for one in (PART, JSON, {}, {"$ref": "#/x/Filter8"})] == ["Part", None, None, "Filter"]
