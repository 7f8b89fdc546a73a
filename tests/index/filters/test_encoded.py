"""Columns as arrays, slot by slot."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.matching import columns_of, matching
from ratoon.domain.predicate import Equals, Has, Not, Predicate
from ratoon.index.filters.encoded import Encoded

WORDS = st.none() | st.sampled_from(["a", "b", "ß"])
STEPS = st.lists(st.dictionaries(st.integers(0, 12), st.none() | st.lists(WORDS, max_size=3), min_size=1), max_size=8)


def asked(column: Encoded, predicate: Predicate, slots: list[int] | None = None) -> list[bool]:
    """Of which slots the predicate is true."""
    rows = None if slots is None else np.array(slots, np.int64)
    found: list[bool] = matching(predicate, dict.fromkeys(columns_of(predicate), column.column(rows))).tolist()
    return found


@given(steps=STEPS, freed=st.sets(st.integers(0, 12)))
def test_lists_slot_by_slot(steps: list[dict[int, Any]], freed: set[int]) -> None:
    """After any writes a slot's list has what was last written there; a freed one says nothing, and nulls in a list are none."""
    column, model = Encoded(pa.list_(pa.string()), []), dict[int, Any]()
    for step in steps:
        column.write(np.array(list(step)), list(step.values()))
        model |= step
    column.write(np.array(sorted(freed), np.int64), None)
    model |= dict.fromkeys(freed)
    length = max(model, default=-1) + 1
    for word in ("a", "ß", "unheard of"):
        wanted = [model.get(slot) is not None and word in model[slot] for slot in range(length)]
        assert asked(column, Has("l", word)) == wanted
        unlike = [model.get(slot) is not None and word not in model[slot] for slot in range(length)]
        assert asked(column, Not(Has("l", word))) == unlike
        assert asked(column, Has("l", word), [*range(length)][::-1]) == wanted[::-1]


@pytest.mark.parametrize(
    ("dtype", "values", "value", "wanted"),
    [
        (pa.float64(), [1.5, float("nan"), None, float("inf")], 1.5, [True, None, None, False]),
        (pa.float16(), [np.float16(0.5), None], 0.5, [True, None]),
        (pa.uint8(), [255, 0], 255, [True, False]),
        (pa.bool_(), [True, None, False], False, [False, None, True]),
        (pa.large_string(), ["", None, "a"], "", [True, None, False]),
    ],
)
def test_each_type_says_what_is_in_it(dtype: pa.DataType, values: list[Any], value: Any, wanted: list[bool | None]) -> None:
    """A value is found where it is; where there is none, or no number, neither it nor its absence is."""
    column = Encoded(dtype, values)
    assert asked(column, Equals("x", value)) == [told is True for told in wanted]
    assert asked(column, Not(Equals("x", value))) == [told is False for told in wanted]


def test_times_are_the_same_moment_in_any_unit() -> None:
    """Seconds, milliseconds and nanoseconds are all microseconds since 1970."""
    for dtype in (pa.timestamp("s"), pa.timestamp("ns", "UTC"), pa.timestamp("ms", "UTC")):
        unit = {"s": 1, "ms": 10**3, "ns": 10**9}[dtype.unit]
        column = Encoded(dtype, pa.array([7 * unit, None], pa.int64()).cast(dtype).to_pylist())
        assert column.column().values.tolist()[:1] == [7_000_000]
        assert column.column().known.tolist() == [True, False]


def test_it_is_crowded_by_what_nobody_has_any_more() -> None:
    """Strings that came and went are noticed; as many strings as items are not."""
    column = Encoded(pa.string(), [f"w{number}" for number in range(3_000)])
    assert not column.crowded
    for number in range(4_100):
        column.write(np.array([0]), [f"other {number}"])
    assert column.crowded
