"""Values by slot, from a snapshot and since."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.index.items.columns import Column
from ratoon.index.items.values import differ, differing

VALUES = st.lists(st.none() | st.integers(0, 9), max_size=12)
CHANGES = st.lists(st.tuples(st.integers(0, 20), st.none() | st.integers(10, 19)))


@given(told=VALUES, changes=CHANGES)
def test_values_are_those_of_a_list(told: list[int | None], changes: list[tuple[int, int | None]]) -> None:
    """After some became others and the column grew; one by one, together and in Arrow; a copy stays as it was."""
    column, model = Column.of(pa.chunked_array([told[:2], told[2:]], pa.int64())), list(told)
    for slot, value in changes:
        before, was = column.copy(), list(model)
        if slot < len(model):
            column[slot] = model[slot] = value
        else:
            column.grow(len(model) + 2)
            model += [None, None]
        assert list(before) == was
    slots = np.arange(len(model))[::-1]
    assert list(column) == [column[slot] for slot in range(len(column))] == model
    assert column.take(slots) == column.array(slots, pa.int64()).to_pylist() == model[::-1]
    assert column.array(slots, pa.int64()).type == pa.int64()


PAIRS = [
    (pa.float64(), [0.0, -0.0, float("nan"), 1.5, None]),
    (pa.float32(), [0.0, -0.0, float("nan"), 1.5, None]),
    (pa.string(), ["", "a", "b", None]),
    (pa.bool_(), [True, False, None]),
    (pa.list_(pa.float64()), [[], [0.0], [-0.0], [None], None]),
    (pa.timestamp("us", "UTC"), [0, 1, None]),
]


@pytest.mark.parametrize(("kind", "values"), PAIRS, ids=[str(kind) for kind, _ in PAIRS])
def test_columns_differ_where_their_values_do(kind: pa.DataType, values: list[object]) -> None:
    """Every pair of values is judged together as it is alone: to the last bit, and null as a value of its own."""
    one = pa.array([value for value in values for _ in values], kind)
    other = pa.array(values * len(values), kind)
    alone = [differ(*pair) for pair in zip(one.to_pylist(), other.to_pylist(), strict=True)]
    assert differing(one, other).tolist() == alone
    assert sum(alone) == len(values) * (len(values) - 1)
