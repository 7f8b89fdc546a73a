"""Rows: sound ones pass unchanged, others are put aside with the first reason."""

from typing import Literal

import polars as pl
import pytest

from ratoon.data.quarantine import Quarantine, Sheet
from ratoon.data.rows import entities, interactions
from ratoon.domain.errors import DataError


def sheet(file: str, **columns: object) -> Sheet:
    frame = pl.DataFrame(columns)
    return Sheet(file, frame, pl.int_range(2, frame.height + 2, eager=True), None)


def test_sound_interactions_pass() -> None:
    """Ids become text, times microseconds; type is `rating` and value null where not given; order is kept."""
    aside = Quarantine()
    rows = interactions(sheet("i.csv", timestamp=[9, 7], user=["u", "v"], item=[1, 2], more=["x", "y"]), aside)
    assert rows.to_dicts() == [
        {"user": "u", "item": "1", "us": 9_000_000, "type": "rating", "value": None},
        {"user": "v", "item": "2", "us": 7_000_000, "type": "rating", "value": None},
    ]
    assert aside.reasons == {}
    typed = sheet("i.csv", user=["u"] * 3, item=["i"] * 3, timestamp=[7, 8, 9], type=["click", "", None], value=["2", None, None])
    assert interactions(typed, aside).select("type", "value").rows() == [("click", 2.0), ("rating", None), ("rating", None)]


def test_bad_interactions_are_counted_by_reason() -> None:
    """Each fault puts its own row aside and no other."""
    aside = Quarantine()
    rows = interactions(
        sheet(
            "i.csv",
            user=["u", None, "u", "u", "u", "u", "u", "x" * 257],
            item=["i", "i", "", "i", "i", "i", "i", "i"],
            timestamp=["5", "5", "5", "never", "-5", "5", "5", "5"],
            value=["1", "1", "1", "1", "1", "inf", "good", "1"],
        ),
        aside,
    )
    assert rows.height == 1
    assert aside.reasons == {
        "missing item id": 1,
        "missing or unreadable timestamp": 1,
        "missing user id": 1,
        "timestamp before 1970 or after 2100": 1,
        "user id longer than 256 characters": 1,
        "value is not a number": 1,
        "value is not finite": 1,
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"user": [[1]]}, r"i\.csv column 'user': expected ids: text or whole numbers, found the type List\(Int64\)"),
        ({"item": [True]}, r"i\.csv column 'item': expected ids: text or whole numbers, found the type Boolean"),
        ({"timestamp": [True]}, r"i\.csv column 'timestamp': expected moments: .*, found the type Boolean"),
        ({"value": [[1]]}, r"i\.csv column 'value': expected numbers, found the type List\(Int64\)"),
        ({"type": [True]}, r"i\.csv column 'type': expected names, found the type Boolean"),
    ],
)
def test_a_column_of_a_wrong_type_is_an_error(wrong: dict[str, object], message: str) -> None:
    """A column that can hold no good row is an error that names file, column and type."""
    columns: dict[str, object] = {"user": [1], "item": [1], "timestamp": [5], **wrong}
    with pytest.raises(DataError, match=message):
        interactions(sheet("i.csv", **columns), Quarantine())


@pytest.mark.parametrize("kind", ["user", "item"])
def test_entities_carry_all_other_columns_as_features(kind: Literal["user", "item"]) -> None:
    """The id column and the timestamp are no features; everything else is; a missing time is not a fault."""
    aside = Quarantine()
    rows = entities(sheet("e", **{kind: ["a", "b"], "timestamp": [5, None], "age": [3, None]}), kind, aside)
    assert rows.to_dicts() == [
        {"id": "a", "us": 5_000_000, "features": '{"age": 3}'},
        {"id": "b", "us": None, "features": "{}"},
    ]
    assert aside.reasons == {}
    assert entities(sheet("e", **{kind: ["a"]}), kind, aside)["features"].to_list() == ["{}"]


def test_bad_entities_are_counted_by_reason() -> None:
    """A missing id, a time that is none, and a feature that is not finite put their own row aside."""
    aside = Quarantine()
    columns: dict[str, object] = {
        "item": ["a", "", "b", "c"],
        "timestamp": ["5", "5", "never", "5"],
        "price": [1.0, 1.0, 1.0, float("inf")],
    }
    assert entities(sheet("e", **columns), "item", aside)["id"].to_list() == ["a"]
    assert aside.reasons == {"feature price is not finite": 1, "missing item id": 1, "missing or unreadable timestamp": 1}


def test_a_repeated_entity_is_put_aside() -> None:
    """Without times the first row of an id stays; with times one per moment stays; a bad row hides no good one."""
    aside = Quarantine()
    assert entities(sheet("e", item=["a", "b", "a"], n=[1, 2, 3]), "item", aside)["features"].to_list() == [
        '{"n": 1}',
        '{"n": 2}',
    ]
    timed = sheet("e", item=["a", "a", "a"], timestamp=[5, 6, 5])
    assert entities(timed, "item", aside)["us"].to_list() == [5_000_000, 6_000_000]
    assert aside.reasons == {"duplicate item": 2}
    fixed = sheet("e", item=["a", "a"], price=[float("inf"), 1.0])
    assert entities(fixed, "item", aside)["features"].to_list() == ['{"price": 1.0}']


def test_features_need_names() -> None:
    """A column without a name, as an index written by pandas, is an error that says how to leave it out."""
    with pytest.raises(DataError, match=r"e column 1 of its features: expected a name.*index=False"):
        entities(sheet("e", **{"": [0], "item": ["a"]}), "item", Quarantine())


def test_features_need_a_json_type() -> None:
    """A feature of a type without JSON form is an error that names file, column and type."""
    with pytest.raises(DataError, match=r"e column 'raw': expected numbers, text.*found the type Binary"):
        entities(sheet("e", item=["a"], raw=[b"x"]), "item", Quarantine())
