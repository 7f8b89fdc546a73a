"""Ids, values and column names: what is taken as it is, what is refused, and in which words."""

import polars as pl
import pytest

from ratoon.data.columns import LONGEST_ID, ids, require, typed, values
from ratoon.domain.errors import DataError


def read(column: pl.Series, whose: str = "user") -> list[str]:
    text, reasons = ids(column, whose)
    return [reason or name for name, reason in zip(text, reasons, strict=True)]


def test_ids_are_text_whatever_they_were() -> None:
    """Text stays to the letter, whole numbers and categories become text, floats that pandas made become whole again."""
    assert read(pl.Series(["007", " x ", "é:1"])) == ["007", " x ", "é:1"]
    assert read(pl.Series([7, -1])) == ["7", "-1"]
    assert read(pl.Series([7.0, 1e15])) == ["7", "1000000000000000"]
    assert read(pl.Series(["a"], dtype=pl.Categorical)) == ["a"]


def test_bad_ids_are_named() -> None:
    """Missing, blank, fractional and overlong ids each get their reason; the longest allowed passes."""
    assert read(pl.Series([None, "", " ", "a" * LONGEST_ID, "a" * (LONGEST_ID + 1)])) == [
        "missing user id",
        "missing user id",
        "missing user id",
        "a" * LONGEST_ID,
        "user id longer than 256 characters",
    ]
    fractions = pl.Series([1.5, None, float("nan"), float("inf")])
    whole = "item id is not a whole number"
    assert read(fractions, "item") == [whole, "missing item id", "missing item id", whole]
    assert read(pl.Series([None]), "item") == ["missing item id"]


def test_a_column_that_holds_no_ids_is_refused() -> None:
    """Lists are no ids."""
    with pytest.raises(TypeError, match=r"List\(Int64\) holds no ids"):
        ids(pl.Series([[1]]), "user")


def test_values_are_numbers_or_nothing() -> None:
    """Numbers in any form pass, none is none, and what is no finite number is named."""
    number, reasons = values(pl.Series(["5", " 0.5 ", "-1e3", None, "five", "nan", "inf"]))
    assert number.to_list()[:5] == [5.0, 0.5, -1000.0, None, None]
    assert reasons.to_list() == [None] * 4 + ["value is not a number"] + ["value is not finite"] * 2
    assert values(pl.Series([1, None]))[0].to_list() == [1.0, None]
    assert values(pl.Series([float("nan")]))[1].to_list() == ["value is not finite"]
    with pytest.raises(TypeError, match="Date holds no numbers"):
        values(pl.Series([None], dtype=pl.Date))


def test_a_wrong_type_names_file_and_column() -> None:
    """A column type that can never be right is a data error with file, column and type."""
    with pytest.raises(DataError, match=r"i\.parquet column 'value': expected numbers, found the type Date\. Write"):
        typed("i.parquet", "value", pl.Series([None], dtype=pl.Date), values, "numbers")


def test_required_columns_that_are_there_pass() -> None:
    """Exact names in any order, among others, are fine."""
    require("f", ("user", "item"), ["other", "item", "user"])


@pytest.mark.parametrize(
    ("present", "found", "fix"),
    [
        (["User", "item"], "columns 'User', 'item'", "Rename 'User' to 'user'; names are matched to the letter"),
        (["user_id", "item"], "columns 'user_id', 'item'", "Rename 'user_id' to 'user'"),
        ([" user", "item"], "columns ' user', 'item'", "Rename ' user' to 'user'"),
        (["item", "when"], "columns 'item', 'when'", "Add it to the file"),
        (["user;item"], "columns 'user;item'", "The header looks separated by semicolons"),
        (["user\titem"], r"columns 'user\titem'", "The header looks separated by tabs"),
        (["user|item"], "columns 'user|item'", "The header looks separated by bars"),
        ([], "columns none", "Add it to the file"),
    ],
)
def test_a_missing_column_is_named_with_what_is_there(present: list[str], found: str, fix: str) -> None:
    """The error names file and column, lists the columns, and points at the near match or the wrong separator."""
    with pytest.raises(DataError) as wrong:
        require("interactions.csv", ("user", "item"), present)
    assert str(wrong.value).startswith(f"interactions.csv column 'user': expected a column named 'user', found {found}. {fix}")
