"""Vectors in a file."""

import os

import pytest

from ratoon.domain.errors import StoreError
from ratoon.index.ivf.aside import Aside


def test_room_is_made_and_what_was_there_stays() -> None:
    """More rows hold what the fewer held, zeros after it, and who still looks at the fewer sees what is written."""
    aside = Aside(3)
    aside.reach(2)
    before = aside.rows
    before[:] = [[1, 2, 3], [4, 5, 6]]
    aside.reach(5_000)
    assert aside.rows.shape == (5_000, 3)
    assert aside.rows[:3].tolist() == [[1, 2, 3], [4, 5, 6], [0, 0, 0]]
    aside.rows[1] = 7
    assert before[1].tolist() == [7, 7, 7]


def test_a_full_disk_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """What finds no room raises an error that says how much was asked for, and leaves what there is."""
    aside = Aside(3)
    aside.reach(2)
    aside.rows[:] = 1

    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StoreError, match="room for 120 bytes"):
        aside.reach(10)
    assert aside.rows.tolist() == [[1, 1, 1], [1, 1, 1]]
