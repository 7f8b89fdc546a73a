"""What a caller says of a user, as inputs of the user tower."""

from datetime import UTC, datetime

import pytest

from ratoon.domain.inputs import LONGEST, Unfit, inputs_of
from ratoon.domain.schema import Feature

FEATURES = (
    Feature("user_id", "", "user", "id", "user_id"),
    Feature("city", "v", "user", "category", "city"),
    Feature("bio", "v", "user", "text", "bio", 6, buckets=20, ngram=3),
    Feature("age", "v", "user", "number"),
    Feature("visits", "v", "user", "count"),
    Feature("likes", "v", "user", "ids", "genres", 3),
    Feature("recent", "v", "user", "history", "item_id", 4),
    Feature("path", "v", "user", "attention", "item_id", 4),
    Feature("taste", "v", "user", "vector", dim=2),
)


def test_values_are_taken_by_name() -> None:
    """Each kind takes its own type; times become moments, numbers of a vector floats; a null says nothing."""
    said: dict[str, object] = {
        "user_id": "u", "city": "Rome", "bio": "", "age": 7, "visits": 2.5, "likes": [], "recent": ["i"], "path": None,
        "taste": [1, -0.5],
    }  # fmt: skip
    assert inputs_of(said, FEATURES, "context") == {name: value for name, value in said.items() if value is not None} | {
        "taste": [1.0, -0.5]
    }
    moment = inputs_of({"age": "2026-03-01T01:00:00+01:00"}, FEATURES, "context")["age"]
    assert moment == datetime(2026, 3, 1, tzinfo=UTC)
    assert inputs_of({}, FEATURES, "context") == {}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"mood": 1}, r"^context/mood: expected an input of the user tower \(user_id, city, .*taste\), found 'mood'\. Name"),
        ({"city": 7}, "context/city: expected a string, found 7. Give a value of that type."),
        ({"user_id": ["u"]}, "context/user_id: expected a string"),
        ({"bio": True}, "context/bio: expected a string, found True"),
        ({"age": "old"}, "context/age: expected a finite number, or a time with its zone, found 'old'"),
        ({"age": "2026-03-01T00:00:00"}, "context/age: expected a finite number, or a time with its zone"),
        ({"age": True}, "context/age: expected a finite number"),
        ({"visits": float("nan")}, "context/visits: expected a finite number, .* found nan"),
        ({"visits": float("inf")}, "context/visits: expected a finite number"),
        ({"likes": "drama"}, f"context/likes: expected a list of at most {LONGEST} strings, found 'drama'"),
        ({"recent": ["i", None]}, "context/recent: expected a list of at most"),
        ({"path": ["i"] * (LONGEST + 1)}, r"context/path: expected a list of at most 1000 strings, found \['i', .*\.\.\."),
        ({"taste": [1.0]}, r"context/taste: expected a list of 2 finite numbers, found \[1\.0\]"),
        ({"taste": [1.0, float("nan")]}, "context/taste: expected a list of 2 finite numbers"),
        ({"taste": [1.0, True]}, "context/taste: expected a list of 2 finite numbers"),
        ({"taste": 7}, "context/taste: expected a list of 2 finite numbers, found 7"),
    ],
)
def test_what_is_no_input_is_refused(said: dict[str, object], message: str) -> None:
    """An unknown input, and a value of another type, are refused where they stand."""
    with pytest.raises(Unfit, match=message):
        inputs_of(said, FEATURES, "context")


def test_a_tower_without_inputs_says_so() -> None:
    """Where the tower is fed nothing, the refusal says so."""
    with pytest.raises(Unfit, match=r"expected an input of the user tower \(none\), found 'age'"):
        inputs_of({"age": 1}, (), "user_features")
