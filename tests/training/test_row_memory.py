"""Tests of what is kept beside the rows of a table."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ratoon.training.row_memory import RowMemory

CALLS = st.lists(st.lists(st.integers(0, 9), unique=True, max_size=6), max_size=8)


@given(CALLS)
def test_every_row_keeps_its_place_and_its_vectors(calls: list[list[int]]) -> None:
    """Rows lie in the order they were first named, begin as zeros, are new once, and keep what is written at their places."""
    memory, order, kept = RowMemory(torch.ones(10, 2), 2), list[int](), dict[int, float]()
    for number, rows in enumerate(calls, 1):
        places, new = memory.places(torch.tensor(rows, dtype=torch.int64))
        assert new.tolist() == [row not in order for row in rows]
        order += [row for row in rows if row not in order]
        assert places.tolist() == [order.index(row) for row in rows]
        assert memory.column(1)[places][:, 0].tolist() == [kept.get(row, 0.0) for row in rows]
        memory.column(1)[places] = float(number)
        kept |= dict.fromkeys(rows, float(number))
    assert memory.rows.tolist() == order
    assert len(memory) == len(order)
    assert memory.column(0).shape == (len(order), 2)
    assert not memory.column(0).any()


def test_room_follows_the_rows_that_are_met() -> None:
    """Two rows of a table of a million take room for few vectors, not for a million."""
    memory = RowMemory(torch.zeros(1_000_000, 1), 1)
    memory.places(torch.tensor([5, 999_999]))
    assert memory.column(0).untyped_storage().nbytes() < 100
