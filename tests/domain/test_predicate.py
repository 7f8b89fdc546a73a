"""Filters and the columns that they are about."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ratoon.domain.filters import parsed
from ratoon.domain.predicate import All, Equals, Exists, FilterRefused, Has, In, Kind, Not, Predicate, Range, bound
from ratoon.domain.predicate import Any as Either

KINDS: dict[str, Kind] = {
    "lang": "text",
    "year": "number",
    "seen": "truth",
    "out": "time",
    "genres": "texts",
    "parts": "numbers",
    "empty": "nothing",
    "vector": "other",
}


def test_values_become_what_their_column_holds() -> None:
    """Times are read from strings with a zone, everything else stays, and what is bound once stays so."""
    noon = datetime(1995, 1, 1, 12, tzinfo=UTC)
    tree = All(
        (
            Either((Range("out", "1995-01-01T13:00:00+01:00", None), In("lang", ("en",)))),
            Not(Equals("seen", True)),
            Has("genres", "Drama"),
            Has("parts", 3),
            Range("year", 1.5, 2),
            Range("empty", "z", 1),
            *(Exists(column, exists=bool(place % 2)) for place, column in enumerate(KINDS)),
        )
    )
    fits = bound(tree, KINDS)
    assert fits == All((Either((Range("out", noon, None), In("lang", ("en",)))), *tree.parts[1:]))
    assert bound(fits, KINDS) == fits


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"all": [{"column": "yaer", "ge": 1990}]},
            r"filter/all/0/column: expected a column to filter by \(empty, genres, .*year\), found 'yaer'. Name one that",
        ),
        ({"column": "year", "eq": "1990"}, "filter/eq: expected a number, as in column year, found '1990'"),
        ({"column": "year", "in": [1990, True]}, "filter/in/1: expected a number, as in column year, found True"),
        ({"column": "year", "ge": float("nan")}, "filter/ge: expected a finite number of at most 64 bits, found nan"),
        ({"column": "year", "le": float("-inf")}, "filter/le: expected a finite number of at most 64 bits, found -inf"),
        ({"column": "empty", "eq": float("nan")}, "filter/eq: expected a finite number"),
        ({"column": "year", "eq": 2**63}, "filter/eq: expected a finite number of at most 64 bits, found 9223372036854775808"),
        ({"not": {"column": "lang", "eq": 7}}, "filter/not/eq: expected a string, as in column lang, found 7"),
        ({"column": "seen", "eq": 1}, "filter/eq: expected true or false, as in column seen, found 1"),
        ({"column": "out", "ge": "yesterday"}, "filter/ge: expected a time like 1995-01-01T00:00:00Z, as in column out, found"),
        ({"column": "out", "le": "1995-01-01T00:00:00"}, "filter/le: expected a time like .*, found '1995-01-01T00:00:00'"),
        ({"column": "out", "eq": 7}, "filter/eq: expected a time like .*, as in column out, found 7"),
        ({"column": "genres", "has": 1}, "filter/has: expected a string, as in column genres, found 1"),
        ({"column": "parts", "has": "a"}, "filter/has: expected a number, as in column parts, found 'a'"),
        (
            {"column": "genres", "eq": "Drama"},
            "filter/eq: expected what column genres of lists of strings can be asked: has, exists, ",
        ),
        (
            {"column": "lang", "has": "en"},
            "expected what column lang of strings can be asked: eq, in, exists, found has",
        ),
        ({"any": [{"column": "lang", "ge": "a"}]}, "filter/any/0/ge: expected what column lang of strings can be asked: eq"),
        (
            {"column": "seen", "le": True},
            "filter/le: expected what column seen of true or false can be asked: eq, in, exists, found le",
        ),
        ({"column": "vector", "in": [1]}, "filter/in: .* of what cannot be compared can be asked: exists, found in"),
        ({"column": "year", "ge": 2, "le": 1}, "filter: expected `ge` to be at most `le`, found 2 and 1"),
        ({"column": "out", "ge": "1995-01-01T00:00:00Z", "le": "1995-01-01T00:00:00+01:00"}, "expected `ge` to be at most"),
    ],
)
def test_what_does_not_fit_its_column_is_refused(raw: Any, message: str) -> None:
    """An unknown column, a word or a value of another type and a range without an inside are refused by path."""
    with pytest.raises(FilterRefused, match=message):
        bound(parsed(raw), KINDS)


@pytest.mark.parametrize("tree", [All(()), Either(())])
def test_nothing_to_hold_is_refused(tree: Predicate) -> None:
    """A tree built without conditions says nothing, and is no filter either."""
    with pytest.raises(FilterRefused, match="filter/(all|any): expected one condition or more, found none"):
        bound(tree, KINDS)


def test_without_columns_that_is_said() -> None:
    """Where no feature is there to filter by, the refusal says so."""
    with pytest.raises(FilterRefused, match=r"expected a column to filter by \(there is none\), found 'year'"):
        bound(Equals("year", 1), {})


def test_a_time_without_a_zone_is_refused() -> None:
    """A time of no zone, which a caller in Python can give, is no moment."""
    with pytest.raises(FilterRefused, match="expected a time like"):
        bound(Equals("out", datetime(1995, 1, 1)), KINDS)
