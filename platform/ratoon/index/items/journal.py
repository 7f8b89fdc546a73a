"""What became of items' columns lately: whoever has made something of them brings it up to date from here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FEW = 1_024
"""Rows of edits that are remembered however few items there are."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """What became of some slots, all at once.

    Attributes:
        slots: without duplicates; shape (n,).
        values: of every column, n; None: the slots were freed.
    """

    slots: npt.NDArray[np.int64]
    values: Mapping[str, Sequence[object]] | None


class Journal:
    """The latest edits, numbered from 0. One thread at a time may write; any may read meanwhile, without waiting."""

    def __init__(self) -> None:
        # The number of the first edit beside all that are remembered: replaced as one, so that they are never told apart.
        self._state: tuple[int, list[Edit]] = (0, [])
        self._rows = 0

    @property
    def end(self) -> int:
        """The number of the edit to come."""
        first, edits = self._state
        return first + len(edits)

    def note(self, edit: Edit, items: int) -> None:
        """Add an edit. When all have as many rows as an eighth of the items, the older half of these is forgotten."""
        if not len(edit.slots):
            return
        first, edits = self._state
        edits.append(edit)
        self._rows += len(edit.slots)
        most = max(FEW, items // 8)
        if self._rows > most:
            rows = np.cumsum([len(one.slots) for one in reversed(edits)])
            count = int(np.searchsorted(rows, most // 2, side="right"))
            self._state = (first + len(edits) - count, edits[len(edits) - count :])
            self._rows = int(rows[count - 1]) if count else 0

    def forget(self) -> None:
        """Forget all: what was made of the columns until now has to be made anew."""
        self._state, self._rows = (self.end + 1, []), 0

    def since(self, number: int) -> list[Edit] | None:
        """The edits from this number on; None if some are forgotten."""
        first, edits = self._state
        return edits[number - first :] if number >= first else None
