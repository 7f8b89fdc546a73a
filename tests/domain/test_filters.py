"""Filters as they come in requests."""

from typing import Any

import pytest

from ratoon.domain import predicate as tree
from ratoon.domain.filters import CONDITIONS, DEPTH, VALUES, parsed
from ratoon.domain.predicate import FilterRefused

YEAR = {"column": "year", "ge": 1990}


def nested(levels: int) -> dict[str, Any]:
    """One condition under so many levels in all."""
    return YEAR if levels == 1 else {"not": nested(levels - 1)}


def test_a_filter_is_read() -> None:
    """Each word of the form becomes its node, in order."""
    raw = {
        "all": [
            {"column": "genres", "has": "Drama"},
            {"any": [{"column": "year", "ge": 1990, "le": 1999.5}, {"column": "year", "le": 1950}]},
            {"not": {"column": "lang", "in": ["en", "fr"]}},
            {"column": "seen", "eq": False},
            {"column": "year", "exists": True},
            {"column": "year", "exists": False},
        ]
    }
    assert parsed(raw) == tree.All(
        (
            tree.Has("genres", "Drama"),
            tree.Any((tree.Range("year", 1990, 1999.5), tree.Range("year", None, 1950))),
            tree.Not(tree.In("lang", ("en", "fr"))),
            tree.Equals("seen", False),
            tree.Exists("year"),
            tree.Exists("year", exists=False),
        )
    )


def test_limits_are_those_that_are_refused_beyond() -> None:
    """The deepest, the largest and the longest filter that is allowed is read."""
    assert isinstance(parsed(nested(DEPTH)), tree.Not)
    assert parsed({"any": [YEAR] * CONDITIONS}) == tree.Any((tree.Range("year", 1990),) * CONDITIONS)
    assert parsed({"column": "year", "in": list(range(VALUES))}) == tree.In("year", tuple(range(VALUES)))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (nested(DEPTH + 1), f"filter{'/not' * DEPTH}: expected at most {DEPTH} levels, found more"),
        ({"any": [YEAR] * (CONDITIONS + 1)}, f"filter/any/{CONDITIONS}: expected at most {CONDITIONS} conditions, found more"),
        ({"column": "year", "in": list(range(VALUES + 1))}, f"filter/in: expected a list of 1 to {VALUES} values, found 1001 of"),
        ({"column": "year", "in": []}, "filter/in: expected a list of 1 to 1000 values, found 0 of them"),
        ({"column": "year", "in": "1990"}, "filter/in: expected a list of 1 to 1000 values, found '1990'"),
        ({"all": []}, "filter/all: expected a list of one condition or more, found"),
        ({"any": YEAR}, "filter/any: expected a list of one condition or more, found"),
        (
            {},
            "filter: expected one of all, any and not, or a column with one of eq, in, has, exists, or .*, found {}",
        ),
        ({"not": [YEAR]}, "filter/not: expected one of all"),
        ({"all": [YEAR], "any": [YEAR]}, "filter: expected one of all"),
        ({"not": YEAR, "column": "year"}, "filter: expected one of all"),
        ({"all": [YEAR, {"column": "year"}]}, "filter/all/1: expected one of all"),
        ({"column": "year", "eq": 1, "ge": 2}, "filter: expected one of all"),
        ({"column": "year", "gt": 1}, "found {'column': 'year', 'gt': 1}. Say one thing per condition"),
        ({"column": 7, "eq": 1}, "filter: expected one of all"),
        ({"column": "year", "eq": None}, "filter/eq: expected a string, a number, true or false, found None"),
        ({"column": "year", "ge": 1, "le": [2]}, r"filter/le: expected a string, a number, true or false, found \[2\]"),
        ({"column": "genres", "has": {"a": 1}}, "filter/has: expected a string, a number, true or false, found {'a': 1}"),
        ({"column": "year", "in": [1, None]}, "filter/in/1: expected a string, a number, true or false, found None"),
        ({"column": "year", "exists": 1}, "filter: expected one of all"),
        ({"column": "year", "exists": None}, "filter: expected one of all"),
        ({"column": "year", "exists": True, "eq": 1}, "filter: expected one of all"),
        ("year >= 1990", "filter: expected one of all"),
        ({"column": "year", "eq": {"long": "x" * 500}}, r"found {'long': '(x{65,70})\.\.\."),
    ],
)
def test_what_is_no_filter_is_refused(raw: Any, message: str) -> None:
    """Every malformed form is refused by the path to it, with what was expected and found there."""
    with pytest.raises(FilterRefused, match=message):
        parsed(raw)
