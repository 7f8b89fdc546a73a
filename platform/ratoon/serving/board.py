"""A few numbers that the processes of a server share in memory: each is written by one of them, and read by all."""

import mmap
from collections.abc import Sequence

_CELL = 8
"""Bytes; an aligned store of one is seen whole or not at all."""
_LINE = 64
"""Bytes for each worker, so that no two write to the same line of a cache."""
_CLOSED, _NEWEST = 0, 1


class Board:
    """The numbers of so many workers; made before they are forked."""

    def __init__(self, workers: int) -> None:
        self._cells = memoryview(mmap.mmap(-1, workers * _LINE)).cast("Q")
        self.places = [Place(self._cells, number, workers) for number in range(workers)]


class Place:
    """One worker's numbers, and what it reads of the others'."""

    def __init__(self, cells: "memoryview[int]", number: int, workers: int) -> None:
        self.number, self._cells = number, cells
        self._own = number * _LINE // _CELL
        self._doubt = 0
        self._others: Sequence[int] = [other * _LINE // _CELL + _NEWEST for other in range(workers) if other != number]

    @property
    def closed(self) -> int:
        """How many of the connections that were handed to it have ended."""
        return self._cells[self._own + _CLOSED]

    def close(self) -> None:
        """One more has ended."""
        self._cells[self._own + _CLOSED] += 1

    def begin(self) -> None:
        """Another process takes this place: no connection of its own has ended yet."""
        self._cells[self._own + _CLOSED] = 0

    def tell(self, offset: int, *, here: bool = False) -> None:
        """Item events up to this offset are durable, and about to be acknowledged.

        Args:
            here: this worker may lack some of them too: it was sent what another one had made durable, and never told of.
        """
        self._doubt = offset if here else self._doubt
        if offset > self._cells[self._own + _NEWEST]:
            self._cells[self._own + _NEWEST] = offset

    def heard(self) -> int:
        """The newest offset that another worker told of, or that may be missing here."""
        cells, newest = self._cells, self._doubt
        for other in self._others:
            if cells[other] > newest:
                newest = cells[other]
        return newest
