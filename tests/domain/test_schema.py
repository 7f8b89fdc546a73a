"""The schema travels as JSON, and its hash covers what a model depends on."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.schema import Feature, TowerSchema

NAMES = st.text(min_size=1, max_size=4)
FEATURES = st.builds(
    Feature,
    name=NAMES,
    view=NAMES,
    entity=st.sampled_from(["user", "item"]),
    kind=st.sampled_from(["id", "category", "number", "count", "text", "ids", "history", "attention", "vector"]),
    vocabulary=NAMES,
    dim=st.integers(0, 100),
    ttl=st.integers(0, 10**6),
    buckets=st.integers(0, 10**6),
    ngram=st.integers(0, 9),
)
SCHEMAS = st.builds(
    TowerSchema,
    project=NAMES,
    user=st.lists(FEATURES, max_size=3).map(tuple),
    item=st.lists(FEATURES, max_size=3).map(tuple),
    display=st.lists(NAMES).map(tuple),
    filters=st.lists(NAMES).map(tuple),
)
PLAIN = TowerSchema("shop", (Feature("age", "profile", "user", "number"),), (Feature("item_id", "", "item", "id", "item_id"),))


@given(schema=SCHEMAS)
def test_json_round_trip(schema: TowerSchema) -> None:
    """JSON gives the same schema back, and equal schemas are equal bytes."""
    again = TowerSchema.from_json(schema.to_json())
    assert again == schema
    assert (again.to_json(), again.hash) == (schema.to_json(), schema.hash)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x"},
        {"view": "x"},
        {"entity": "item"},
        {"kind": "count"},
        {"vocabulary": "x"},
        {"dim": 3},
        {"ttl": 60},
        {"buckets": 8},
        {"ngram": 3},
    ],
)
def test_any_change_to_an_input_changes_the_hash(change: dict[str, object]) -> None:
    """Whatever is different about a tower input, a model of the one cannot serve the other."""
    changed = replace(PLAIN, user=(replace(PLAIN.user[0], **change),))  # type: ignore[arg-type]  # field -> value
    assert changed.hash != PLAIN.hash


def test_order_counts_and_display_does_not() -> None:
    """Inputs are concatenated in order, so order is hashed; display and filters feed no tower."""
    two = replace(PLAIN, user=(*PLAIN.user, Feature("job", "profile", "user", "category", "job")))
    assert replace(two, user=two.user[::-1]).hash != two.hash
    other = replace(PLAIN, project="p", display=("title",), filters=("year",))
    assert other.hash == PLAIN.hash


def test_schemas_without_texts_keep_the_hash_they_had_before_there_were_any() -> None:
    """Releases made before texts could be inputs still fit the repositories they were made from."""
    said = (
        '"dim": 0, "entity": "user", "fold": "", "kind": "number", "name": "age", "ttl": 0, "view": "profile", "vocabulary": ""'
    )
    assert PLAIN.service_hash("user") == hashlib.sha256(f"[{{{said}}}]".encode()).hexdigest()
    assert "buckets" not in PLAIN.to_json()
