"""Many queries at once, by slot: what each may not be answered, and what is added to the scores of some items."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.domain.exclusions import Exclusions
from ratoon.domain.shift import Shift
from ratoon.index.slots import Rows, Slots


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Queries over all items of an index.

    Attributes:
        queries: shape (n, dim).
        vectors: of the items, by slot; shape (items, dim).
        ids: theirs.
        rows, hidden: pairs of a query and a slot that it may not be answered with, by slot; shape (pairs,) each.
        gone: the slots that no query may be answered with.
        moved: the slots whose scores differ from what the vectors say, ascending.
        amounts: by how much; shape (n or 1, moved).
    """

    queries: Vectors
    vectors: Vectors
    ids: Sequence[str]
    rows: Rows
    hidden: Rows
    gone: Rows
    moved: Rows
    amounts: Vectors

    @classmethod
    def of(
        cls, queries: Vectors, vectors: Vectors, slots: Slots, exclude: Sequence[Iterable[str]], moved: Shift | None
    ) -> "Asked":
        """Queries with ids looked up; see `ports.Index.ranks`."""
        excluded = Exclusions.of(exclude)
        rows, hidden = slots.pairs(excluded)
        by_slot = np.argsort(hidden, kind="stable")
        places = slots.of(moved.items) if moved else np.empty(0, np.int64)
        order = np.argsort(places)
        amounts = moved.amounts[:, order] if moved else np.empty((1, 0), np.float32)
        gone = np.sort(slots.find(excluded.always))
        return cls(queries, vectors, slots.ids, rows[by_slot], hidden[by_slot], gone, places[order], amounts)

    def added(self, rows: Rows, moved: Rows | slice) -> Vectors:
        """What is added to the scores of some queries, for some of `moved`; shape (rows or 1, moved)."""
        amounts = self.amounts if len(self.amounts) == 1 else self.amounts[rows]
        return amounts[:, moved]

    def scores(self, rows: Rows, first: int, last: int) -> Vectors:
        """The scores of neighbouring queries for the slots from `first` to `last`, -inf where excluded; shape (rows, slots)."""
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
