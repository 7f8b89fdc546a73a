"""Predicates over whole columns, against one row at a time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.matching import EPOCH, Column, columns_of, matching
from ratoon.domain.predicate import All, Equals, Exists, Has, In, Not, Predicate, Range
from ratoon.domain.predicate import Any as Either

Row = dict[str, Any]

NUMBERS, TIMES = [-2, 0, 1, 2**53 + 1, 0.5], [EPOCH + timedelta(microseconds=step) for step in (-1, 0, 3)]
WORDS = ["", "a", "ß"]

ROWS = st.fixed_dictionaries(
    {
        "n": st.none() | st.sampled_from([-2, 0, 1, 2**53, 2**53 + 1]),
        "x": st.none() | st.sampled_from([-2.0, 0.5, 1.0]),
        "t": st.none() | st.sampled_from(TIMES),
        "b": st.none() | st.booleans(),
        "w": st.none() | st.sampled_from(WORDS),
        "l": st.none() | st.lists(st.sampled_from(WORDS), max_size=3),
    }
)


def ranges(column: str, values: list[Any]) -> st.SearchStrategy[Predicate]:
    ends = st.none() | st.sampled_from(values)
    ordered = st.tuples(ends, ends).filter(lambda pair: None in pair or pair[0] <= pair[1])
    return ordered.map(lambda pair: Range(column, *pair))


def scalars(column: str, values: list[Any]) -> st.SearchStrategy[Predicate]:
    several = st.lists(st.sampled_from(values), min_size=1, max_size=3).map(tuple)
    return st.builds(Equals, st.just(column), st.sampled_from(values)) | st.builds(In, st.just(column), several)


CONDITIONS = st.one_of(
    *(scalars(column, NUMBERS) | ranges(column, NUMBERS) for column in "nx"),
    scalars("t", TIMES) | ranges("t", TIMES),
    scalars("b", [True, False]),
    scalars("w", [*WORDS, "unheard of"]),
    st.builds(Has, st.just("l"), st.sampled_from([*WORDS, "unheard of"])),
    st.builds(Exists, st.sampled_from("nxtbwl"), st.booleans()),
)
PREDICATES = st.recursive(
    CONDITIONS,
    lambda parts: st.one_of(
        st.builds(All, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(Either, st.lists(parts, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, parts),
    ),
    max_leaves=6,
)


def naive(predicate: Predicate, row: Row) -> bool | None:
    """What SQL says of one row; None for unknown."""
    match predicate:
        case Not(part):
            told = naive(part, row)
            return None if told is None else not told
        case All(parts):
            all_told = [naive(part, row) for part in parts]
            return False if False in all_told else None if None in all_told else True
        case Either(parts):
            any_told = [naive(part, row) for part in parts]
            return True if True in any_told else None if None in any_told else False
    value = row[predicate.column]
    if isinstance(predicate, Exists):
        return (value is not None) is predicate.exists
    if value is None:
        return None
    match predicate:
        case Equals(_, wanted):
            return bool(value == wanted)
        case In(_, several):
            return value in several
        case Has(_, entry):
            return entry in value
        case Range(_, low, high):
            return (low is None or value >= low) and (high is None or value <= high)


def columns(rows: list[Row]) -> dict[str, Column]:
    """The rows as columns."""
    made = {}
    for name in "nxtbwl":
        values = [row[name] for row in rows]
        known = np.array([value is not None for value in values], np.bool_)
        if name in "wl":
            wholes = list(dict.fromkeys(tuple(value) for value in values if value is not None))
            codes: dict[Any, list[int]] = {}
            for code, whole in enumerate(wholes):
                for entry in set(whole) if name == "l" else ["".join(whole)]:
                    codes.setdefault(entry, []).append(code)
            places = np.array([-1 if value is None else wholes.index(tuple(value)) for value in values], np.int64)
            made[name] = Column(places, known, codes, len(wholes))
            continue
        plain = [
            0 if value is None else (value - EPOCH) // timedelta(microseconds=1) if name == "t" else value for value in values
        ]
        made[name] = Column(np.array(plain, {"n": np.int64, "x": np.float64, "t": np.int64, "b": np.bool_}[name]), known)
    return made


@given(rows=st.lists(ROWS, max_size=8), predicate=PREDICATES)
def test_all_rows_at_once_are_each_alone(rows: list[Row], predicate: Predicate) -> None:
    """Any predicate is true of exactly the rows of which SQL's three-valued logic says so, whatever is null."""
    assert matching(predicate, columns(rows)).tolist() == [naive(predicate, row) is True for row in rows]


def test_null_is_neither_nor() -> None:
    """Where a column says nothing, neither a condition nor its negation is true; what is true anyway stays so."""
    year = {"year": Column(np.array([1990, 0]), np.array([True, False]))}
    asked = Equals("year", 1990)
    assert matching(asked, year).tolist() == [True, False]
    assert matching(Not(asked), year).tolist() == [False, False]
    assert matching(Either((asked, Not(asked))), year).tolist() == [True, False]


def test_whether_a_column_says_something() -> None:
    """Existence is true or false of every item, null, NaN and an empty list included; where there is no item it is neither."""
    year = {"year": Column(np.array([1990, 0, 0]), np.array([True, False, False]), held=np.array([True, True, False]))}
    for asked, expected in ((Exists("year"), [True, False, False]), (Exists("year", exists=False), [False, True, False])):
        assert matching(asked, year).tolist() == expected
        assert matching(Not(Not(asked)), year).tolist() == expected
        assert matching(Not(asked), year).tolist() == [not one and held for one, held in zip(expected, [1, 1, 0], strict=True)]


def test_numbers_are_compared_as_the_column_holds_them() -> None:
    """0.1 is found among float32; whole numbers keep all digits beside fractions and beyond their type's ends."""
    single = {"x": Column(np.array([0.1, 3e38], np.float32), np.ones(2, np.bool_))}
    assert matching(Equals("x", 0.1), single).tolist() == [True, False]
    assert matching(Range("x", 0.1, 1e300), single).tolist() == [True, True]
    whole = {"n": Column(np.array([2**53 + 1, 2**53]), np.ones(2, np.bool_))}
    assert matching(In("n", (2**53 + 1, 0.5, 1e30)), whole).tolist() == [True, False]
    assert matching(Range("n", 0.5, float(2**60)), whole).tolist() == [True, True]
    assert matching(Range("n", 1e30, None), whole).tolist() == [False, False]


def test_strings_have_no_order() -> None:
    """A range over a column of strings, which no request can ask for, finds nothing."""
    words = {"w": Column(np.array([0]), np.ones(1, np.bool_), {"a": [0]}, 1)}
    assert matching(Range("w", datetime(1, 1, 1, tzinfo=UTC), None), words).tolist() == [False]


def test_the_columns_it_is_about() -> None:
    """Every column that is named anywhere, and no other."""
    assert columns_of(Equals("a", 1)) == {"a"}
    assert columns_of(All((Not(Has("b", 1)), Either((In("c", (1,)), Range("b")))))) == {"b", "c"}
