"""Many queries at once, by an item's row: what each may not be answered, and what is added to the scores of some items."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.domain.exclusions import Exclusions
from ratoon.domain.shift import Shift
from ratoon.index.answers.held import Held
from ratoon.index.items.slots import Rows, Slots


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Queries over all items of an index.

    Attributes:
        queries: shape (n, dim).
        held: the items' vectors.
        named: what has their ids.
        rows, hidden: pairs of a query and an item that it may not be answered with, by item; shape (pairs,) each.
        gone: the items that no query may be answered with.
        moved: the items whose scores differ from what the vectors say, ascending.
        amounts: by how much; shape (n or 1, moved).
    """

    queries: Vectors
    held: Held
    named: Slots
    rows: Rows
    hidden: Rows
    gone: Rows
    moved: Rows
    amounts: Vectors

    @classmethod
    def of(cls, queries: Vectors, held: Held, slots: Slots, exclude: Sequence[Iterable[str]], moved: Shift | None) -> "Asked":
        """Queries with ids looked up; see `ports.Index.ranks`."""
        excluded = Exclusions.of(exclude)
        hidden = held.rows(slots.look_up(excluded.items))[excluded.codes]
        rows, hidden = excluded.queries[hidden >= 0], hidden[hidden >= 0]
        by_item = np.argsort(hidden, kind="stable")
        places = held.rows(slots.of(moved.items)) if moved else np.empty(0, np.int64)
        order = np.argsort(places)
        amounts = moved.amounts[:, order] if moved else np.empty((1, 0), np.float32)
        gone = np.sort(held.rows(slots.find(excluded.always)))
        return cls(queries, held, slots, rows[by_item], hidden[by_item], gone, places[order], amounts)

    @property
    def vectors(self) -> Vectors:
        """Of the items, shape (items, dim)."""
        return self.held.vectors

    def rows_of(self, items: Sequence[str]) -> Rows:
        """The row of each item; -1 for one that is not held."""
        return self.held.rows(self.named.look_up(items))

    def item(self, row: int) -> str:
        """The id of one of `vectors`."""
        return self.named.ids[int(self.held.slots[row])]

    def added(self, rows: Rows, moved: Rows | slice) -> Vectors:
        """What is added to the scores of some queries, for some of `moved`; shape (rows or 1, moved)."""
        amounts = self.amounts if len(self.amounts) == 1 else self.amounts[rows]
        return amounts[:, moved]

    def scores(self, rows: Rows, first: int, last: int) -> Vectors:
        """The scores of neighbouring queries for the items from `first` to `last`, -inf where excluded; shape (rows, items)."""
        scores: Vectors = self.queries[rows] @ self.vectors[first:last].T
        begin, end = np.searchsorted(self.moved, [first, last])
        if begin < end:
            scores[:, self.moved[begin:end] - first] += self.added(rows, slice(begin, end))
        begin, end = np.searchsorted(self.hidden, [first, last])
        asking = self.rows[begin:end] - rows[0]
        own = (asking >= 0) & (asking < len(rows))
        scores[asking[own], self.hidden[begin:end][own] - first] = -np.inf
        begin, end = np.searchsorted(self.gone, [first, last])
        scores[:, self.gone[begin:end] - first] = -np.inf
        return scores
