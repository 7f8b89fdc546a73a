"""What an expression in `feature_repo/` means, and how one that means nothing is refused."""

import re

import pytest

from ratoon.domain.errors import DataError
from ratoon.features.folds.aggregates import Aggregate, parse

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("expression", "dtype", "meant"),
    [
        ("count", "INT64", Aggregate("count")),
        ("count(90s)", "INT32", Aggregate("count", span=90_000_000)),
        ("sum(value)", "DOUBLE", Aggregate("sum", "value")),
        ("mean(value, 2h)", "FLOAT", Aggregate("mean", "value", 7_200_000_000)),
        ("deviation(value,36500d)", "FLOAT", Aggregate("deviation", "value", 36_500 * DAY)),
        ("decayed(7d)", "FLOAT", Aggregate("decayed", span=7 * DAY)),
        ("decayed(value, 30m)", "DOUBLE", Aggregate("decayed", "value", 1_800_000_000)),
        ("last(type)", "STRING", Aggregate("last", "type")),
        (" last( item_id ,2 ) ", "STRING_LIST", Aggregate("last", "item_id", size=2)),
        ("last(value, 20)", "FLOAT_LIST", Aggregate("last", "value", size=20)),
    ],
)
def test_an_expression_is_read(expression: str, dtype: str, meant: Aggregate) -> None:
    """Name, column, window or half-life in microseconds and length are read; spaces change nothing."""
    assert parse("f", expression, dtype) == meant


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "total",
        "count(value)",
        "count(7)",
        "count(7w)",
        "count(0x7d)",
        "count(7d, 7d)",
        "count(36501d)",
        "sum",
        "sum(7d)",
        "sum(item_id)",
        "mean(value, 7)",
        "mean(value, item_id)",
        "mean(price, 7d)",
        "deviation(7d, value)",
        "decayed",
        "decayed(value)",
        "decayed(item_id, 7d)",
        "decayed(7d, value)",
        "last",
        "last()",
        "last(price)",
        "last(item_id, 0)",
        "last(item_id, -1)",
        "last(item_id, 2, 3)",
        "last(item_id, 7d)",
        "last(item_id, 20",
        "last(item_id, 2147483648)",
        "Count",
        "count(last(item_id))",
        "count; count",
        "count(0d)",
    ],
)
def test_a_malformed_expression_is_named(expression: str) -> None:
    """Whatever is not an expression is refused with the field, the text found and the forms there are."""
    message = (
        "tag ratoon.aggregate of field 'n': expected count[(7d)] | sum|mean|deviation(value[, 7d]) | decayed([value, ]7d) | "
        f"last(column[, n]), found {expression!r}. "
        "Correct it in feature_repo/; columns are user_id, item_id, type, value, times <n>s|m|h|d up to 36500d."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        parse("n", expression, "INT64")


@pytest.mark.parametrize(
    ("expression", "dtype", "fitting"),
    [
        ("count", "STRING", "INT32 or INT64 or FLOAT or DOUBLE"),
        ("mean(value)", "FLOAT_LIST", "INT32 or INT64 or FLOAT or DOUBLE"),
        ("last(item_id)", "STRING_LIST", "STRING"),
        ("last(item_id, 3)", "STRING", "STRING_LIST"),
        ("last(value)", "STRING", "INT32 or INT64 or FLOAT or DOUBLE"),
        ("last(value, 3)", "DOUBLE", "INT32_LIST or INT64_LIST or FLOAT_LIST or DOUBLE_LIST"),
    ],
)
def test_a_dtype_that_does_not_fit_is_named(expression: str, dtype: str, fitting: str) -> None:
    """A feature of another type than its expression gives is refused with both, before anything is ingested."""
    message = f"dtype of field 'n': expected {fitting}, as {expression} gives, found {dtype}. "
    with pytest.raises(DataError, match=f"^{re.escape(message)}Change the dtype or the tag ratoon.aggregate in feature_repo/."):
        parse("n", expression, dtype)
