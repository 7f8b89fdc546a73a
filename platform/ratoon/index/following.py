"""From what an index holds to what a snapshot says: what differs, and no more, is written."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import RLock
from weakref import finalize

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.index.items.slots import Rows, Slots
from ratoon.index.ivf.layout import Layout
from ratoon.index.ivf.lists import Lists
from ratoon.index.stored import Told, Written

BATCH = 4_096
"""Items that are written at once."""

PATIENCE = 60.0
"""Seconds to wait for the last reader of an index that was followed, before a copy is made: a probe of its recall takes some."""


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """What has to be done.

    Attributes:
        gone: the items that the snapshot does not have.
        ids: of its rows.
        rows: those that have to be written, ascending.
        told: of each row, whether its columns are other ones or it is new; shape (rows of the snapshot,).
        moved: of each row, whether its vector or list is another one or it is new; shape (rows of the snapshot,).
        numbers: the lists whose centroids moved.
    """

    gone: list[str]
    ids: pa.StringArray
    rows: Rows
    told: npt.NDArray[np.bool_]
    moved: npt.NDArray[np.bool_]
    numbers: Rows

    @classmethod
    def of(cls, slots: Slots, layout: Layout, snapshot: Told) -> "Difference":
        """Between what lies in these slots and a snapshot of lists that are alike; others may read and change meanwhile."""
        table, ids, written = snapshot.table, snapshot.places.names, snapshot.written
        own, told = np.empty(len(ids), np.int64), np.empty(len(ids), np.bool_)
        for first in range(0, len(ids), BATCH):
            some = slice(first, first + BATCH)
            own[some] = slots.look_up(ids.slice(first, BATCH).to_pylist())
            with slots.lock:
                told[some] = slots.unlike(own[some], table.slice(first, BATCH))
        with slots.lock:
            gone = np.zeros(len(slots.ids) + 1, np.bool_)
            gone[slots.taken()] = True
        gone[own] = False  # -1, which is no slot, is the last
        moved = _moved(layout, own, written)
        with layout.reading() as lists:
            numbers = np.flatnonzero((lists.centroids != written.shape.centroids).any(axis=1))
        return cls(slots.ids.take(np.flatnonzero(gone[:-1])), ids, np.flatnonzero(told | moved), told, moved, numbers)

    def named(self, rows: Rows) -> list[str]:
        """The items in some rows."""
        names: list[str] = self.ids.take(pa.array(rows)).to_pylist()
        return names

    def batches(self) -> Iterator[Rows]:
        """The rows to write, a bounded number at a time."""
        for first in range(0, len(self.rows), BATCH):
            yield self.rows[first : first + BATCH]


def become(slots: Slots, layout: Layout, writing: RLock, snapshot: Told, without: Callable[[], Iterable[str]]) -> None:
    """Bring slots and their layout to a snapshot of lists that are alike, a batch after the other; others may read and change.

    Args:
        snapshot: of the same columns.
        without: the items that are left out; asked before each batch, while nobody else writes.
    """
    difference, written = Difference.of(slots, layout, snapshot), snapshot.written
    with writing:
        gone = [item for item in difference.gone if item in slots]
        layout.drop(slots.of(gone), slots.reuse)
        slots.free(gone)
        layout.recentre(difference.numbers, written.shape.centroids[difference.numbers], snapshot.dial)
    for batch in difference.batches():
        with writing:
            hidden = set(without())
            rows = batch[[item not in hidden for item in difference.named(batch)]]
            told, moved = rows[difference.told[rows]], rows[difference.moved[rows]]
            slots.put(difference.named(told), snapshot.table.take(told))
            moved = moved[slots.look_up(difference.named(moved)) >= 0]  # taken away without a word
            layout.place(slots.of(difference.named(moved)), written.lists[moved], written.codes[moved])


class Handover:
    """The copy that an index leaves to the one that followed it, when nobody holds it any more.

    Args:
        lists: what it searches.
        touched: the slots that were written there since the other copy was lent, and those that will be.
    """

    def __init__(self, giver: object, lists: Lists, touched: list[Rows]) -> None:
        self._given = SimpleQueue[tuple[Lists, list[Rows]]]()
        self._until = time.monotonic() + PATIENCE
        finalize(giver, self._given.put, (lists, touched))

    def over(self, layout: Layout) -> bool:
        """Whether the layout has two copies: the one that was left, or after PATIENCE one that is made."""
        try:
            lists, touched = self._given.get_nowait()
        except Empty:
            if time.monotonic() < self._until:
                return False
            layout.restore()  # whoever holds the giver keeps what it searches
        else:
            layout.take(lists, touched)
        return True


def _moved(layout: Layout, slots: Rows, written: Written) -> npt.NDArray[np.bool_]:
    held = np.flatnonzero(slots >= 0)
    row = np.full(slots.max(initial=-1) + 2, -1)
    row[slots[held]] = held
    moved = np.ones(len(slots), np.bool_)
    word = np.uint64 if written.codes.shape[1] % 8 == 0 else np.uint8
    wanted = written.codes.view(word)
    for number in range(len(written.shape.centroids)):
        with layout.reading() as lists:
            own, codes = lists.entries(number)
            rows = row[np.minimum(own, len(row) - 1)]
            there = rows >= 0
            rows = rows[there]
            moved[rows] = (written.lists[rows] != number) | (wanted[rows] != codes.view(word)[there]).any(axis=1)
    return moved
