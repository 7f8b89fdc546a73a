"""Filters in Python."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.client import Condition, where
from ratoon.client.call import jsonable
from ratoon.domain.filters import parsed

COLUMNS = st.sampled_from(["genres", "year", "lang"])
VALUES = st.integers(0, 9) | st.text(max_size=3) | st.booleans()
LEAVES = (
    st.builds(lambda column, value: where(column).equals(value), COLUMNS, VALUES)
    | st.builds(lambda column, value: where(column).has(value), COLUMNS, VALUES)
    | st.builds(lambda column, values: where(column).one_of(values), COLUMNS, st.lists(VALUES, min_size=1, max_size=3))
    | st.builds(lambda column, low: where(column) >= low, COLUMNS, st.integers())
    | st.builds(lambda column, high: where(column) <= high, COLUMNS, st.integers())
    | st.builds(lambda column, low, high: where(column).between(low, high), COLUMNS, st.integers(), st.integers())
)


def sent(condition: Condition) -> Any:
    return json.loads(json.dumps(condition, default=jsonable))


def combined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    both = st.tuples(parts, parts)
    return both.map(lambda two: two[0] & two[1]) | both.map(lambda two: two[0] | two[1]) | parts.map(lambda one: ~one)


@given(st.recursive(LEAVES, combined, max_leaves=6))
def test_the_server_understands_whatever_is_built(condition: Condition) -> None:
    """Every filter that can be built is one of the language that the server reads."""
    parsed(sent(condition))


def test_each_word() -> None:
    """Each method says what the API calls so."""
    assert sent((where("genres").has("Drama")) & (where("year") >= 1990)) == {
        "all": [{"column": "genres", "has": "Drama"}, {"column": "year", "ge": 1990}]
    }
    assert sent(~(where("lang").equals("en") | where("lang").one_of(["de", "fr"]))) == {
        "not": {"any": [{"column": "lang", "eq": "en"}, {"column": "lang", "in": ["de", "fr"]}]}
    }
    assert sent(where("year").between(1, 2)) == {"column": "year", "ge": 1, "le": 2}
    assert sent(where("year") <= 2) == {"column": "year", "le": 2}
    assert sent(where("year").exists()) == {"column": "year", "exists": True}
    assert sent(where("year").exists(False)) == {"column": "year", "exists": False}


def test_chains_stay_flat() -> None:
    """However many conditions are joined by one word, they are one list: a filter has only so many levels."""
    several = where("a").has(0)
    for value in range(1, 20):
        several = several & where("a").has(value)
    assert [one["has"] for one in several["all"]] == list(range(20))
    assert list((several | where("b").has(1))["any"]) == [several, {"column": "b", "has": 1}]


def test_a_raw_filter_can_be_joined() -> None:
    """JSON that somebody else made goes with what is built here."""
    assert sent(where("a").has(1) & {"column": "b", "eq": 2}) == {"all": [{"column": "a", "has": 1}, {"column": "b", "eq": 2}]}


def test_python_s_own_words_are_refused() -> None:
    """`and`, `or` and chained comparisons would drop a condition silently, so a condition is neither true nor false."""
    with pytest.raises(TypeError, match="combine with &, | and ~, and use between"):
        _ = 1990 <= where("year") <= 2000
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(where("a").has(1))


def test_a_condition_shows_what_it_says() -> None:
    """Its representation is the JSON."""
    assert repr(where("a").has(1)) == "Condition({'column': 'a', 'has': 1})"
