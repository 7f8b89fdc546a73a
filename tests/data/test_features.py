"""Features: text gets the types it allows, and every type arrives in JSON as people expect."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.data.features import as_json, infer


def inferred(*texts: str | None) -> list[object]:
    return infer(pl.Series("f", list(texts), dtype=pl.String)).to_list()


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "-20", None], [1, -20, None]),
        (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
        (["true", "False"], [True, False]),
        (["12345", "01234"], ["12345", "01234"]),
        (["12345678901234567890"], ["12345678901234567890"]),
        (["1", "x"], ["1", "x"]),
        (["2024-01-01"], ["2024-01-01"]),
        (["nan", "1.5"], ["nan", "1.5"]),
        ([None, None], [None, None]),
        ([], []),
    ],
)
def test_text_becomes_the_type_that_loses_nothing(texts: list[str | None], expected: list[object]) -> None:
    """Numbers and true/false are recognised if the whole column is; codes with zeros in front and long digits stay text."""
    assert inferred(*texts) == expected
    assert [type(value) for value in inferred(*texts)] == [type(value) for value in expected]


def test_one_bar_makes_the_column_lists() -> None:
    """If any value has a bar, all are lists; spaces around elements and empty elements go; elements are typed alike."""
    assert inferred("War | Drama", "War", None, "a||b") == [["War", "Drama"], ["War"], None, ["a", "b"]]
    assert inferred("1|2", "3") == [[1, 2], [3]]
    assert inferred("0.5|2", "3") == [[0.5, 2.0], [3.0]]
    assert inferred("true|false") == [["true", "false"]]
    assert inferred("|") == [[]]


def encoded(columns: pl.DataFrame) -> list[object]:
    text, reasons = as_json(columns)
    return [reason or json.loads(row) for row, reason in zip(text, reasons, strict=True)]


def test_every_supported_type_has_its_json_form() -> None:
    """Numbers, text, booleans, dates (ISO 8601, UTC), decimals, categories, lists and arrays are written as such."""
    moment = datetime(2024, 1, 2, 3, 4, 5, 6)
    columns = pl.DataFrame(
        {
            "whole": [1],
            "real": [0.5],
            "text": ['é "q"'],
            "flag": [True],
            "day": [date(2024, 1, 2)],
            "naive": [moment],
            "price": [Decimal("1.25")],
            "words": [["a", None, "b"]],
        }
    ).with_columns(
        zoned=pl.lit(moment.replace(tzinfo=UTC)).dt.convert_time_zone("Asia/Tokyo"),
        kind=pl.lit("c").cast(pl.Categorical),
        vector=pl.lit(pl.Series([[0.5, 1.0]], dtype=pl.Array(pl.Float32, 2))),
    )
    assert encoded(columns) == [
        {
            "whole": 1,
            "real": 0.5,
            "text": 'é "q"',
            "flag": True,
            "day": "2024-01-02",
            "naive": "2024-01-02T03:04:05.000006Z",
            "price": 1.25,
            "words": ["a", "b"],
            "zoned": "2024-01-02T03:04:05.000006Z",
            "kind": "c",
            "vector": [0.5, 1.0],
        }
    ]


def test_what_is_missing_is_left_out() -> None:
    """Null and NaN, which pandas writes for missing, leave the feature out of the object; an empty list stays."""
    columns = pl.DataFrame({"a": [None, 1.0, float("nan")], "b": [[], None, ["x"]], "c": [None, None, None]})
    assert encoded(columns) == [{"b": []}, {"a": 1.0}, {"b": ["x"]}]
    assert encoded(pl.DataFrame({"a": pl.Series([], dtype=pl.Int64)})) == []


def test_what_json_cannot_hold_is_named() -> None:
    """An infinite number, and any non-finite number in a list, is a reason that names the feature."""
    columns = pl.DataFrame({"a": [1.0, float("-inf"), 1.0], "v": [[1.0], [1.0], [1.0, float("nan")]]})
    assert encoded(columns)[1:] == ["feature a is not finite", "feature v is not finite"]


@pytest.mark.parametrize("values", [[{"x": 1}], [b"x"], [timedelta(1)], [[[1]]], [[date(2024, 1, 1)]]])
def test_other_types_are_refused(values: list[object]) -> None:
    """Structs, bytes, durations and nested lists raise with the column's name and type."""
    with pytest.raises(TypeError, match=r"^odd: "):
        as_json(pl.DataFrame({"odd": values}))


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.just(0.1)))
def test_numbers_survive_json(numbers: list[float | None]) -> None:
    """Every finite float is read back to the bit."""
    column = pl.DataFrame({"x": pl.Series(numbers, dtype=pl.Float64)})
    assert encoded(column) == [{} if number is None else {"x": number} for number in numbers]
