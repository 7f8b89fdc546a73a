"""At which place one item stands for each query, found without ranking the others.

A place is the number of items that are ahead. They are counted in blocks of the catalogue, the likeliest first, and a query
leaves the count as soon as k are ahead of its item: of most of them that is so after the first block, so that asking whether
an item is among the best k costs a fraction of finding the best k. This is the pruning of Teflioudi, Gemulla and Mykytiuk
(2015, LEMP), with a threshold that is known from the start.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.asked import Asked
from ratoon.index.checks import refuse_unequal
from ratoon.index.items.slots import Rows

EPS = float(np.finfo(np.float32).eps)

Ranks = npt.NDArray[np.int64]
"""Places from 0, shape (queries,)."""

BLOCK, TOGETHER, CELLS = 512, 2_048, 2**19
"""The fewest items and the most queries counted at once, and how many scores where there are fewer: they stay in the cache."""

FEW = 256
"""For fewer queries than these it is dearer to find out which items are likely than to count them all."""


def ranks_of(asked: Asked, wanted: Sequence[str], k: int) -> Ranks:
    """The place of each query's item among its k best, ties by id; k if it is not among them.

    Args:
        wanted: n item ids; one that is not held, or is excluded, has the place k.

    Raises:
        UsageError: not as many wanted items as queries.
    """
    refuse_unequal(wanted, asked.queries)
    places, own = np.full(len(wanted), k, np.int64), asked.rows_of(wanted)
    out = (own < 0) | np.isin(own, asked.gone)
    out[asked.rows[asked.hidden == own[asked.rows]]] = True
    held = np.flatnonzero(~out)
    if not len(held):
        return places
    order = np.delete(np.arange(len(asked.vectors)), asked.gone)
    if len(held) >= FEW:
        likely = asked.vectors @ asked.queries.mean(axis=0)
        likely[asked.moved] += asked.amounts.mean(axis=0)
        order = order[np.argsort(-likely[order])]
    for first in range(0, len(held), TOGETHER):
        rows = held[first : first + TOGETHER]
        places[rows] = _Count(asked, rows, own[rows], order).until(k)
    return places


class _Count:
    """How many items are ahead of each query's own.

    Scores in float32 differ with the order of summation. Those too near to the wanted item's to tell are computed again in
    float64 and rounded, so that equal vectors tie and an item is ahead or not wherever it is asked about.

    Args:
        rows: the queries, ascending; n of them.
        own: the slot of each one's item; shape (n,).
        order: the slots in the order in which they are counted.
    """

    def __init__(self, asked: Asked, rows: Rows, own: Rows, order: Rows) -> None:
        self._asked, self._rows, self._own, self._order = asked, rows, own, order
        at = np.full(len(asked.vectors), -1)
        at[order] = np.arange(len(order))
        self._hidden = _sorted(at[np.append(asked.hidden, own)], np.append(asked.rows, rows))  # its own is not ahead of itself
        self._moved = _sorted(at[asked.moved], np.arange(len(asked.moved)))
        self._amount = np.full(len(asked.vectors), -1)
        self._amount[asked.moved] = np.arange(len(asked.moved))
        queries = asked.queries[rows]
        self._scores = np.einsum("nd,nd->n", queries, asked.vectors[own]) + self._added(np.arange(len(rows)), own)
        # The bound of Higham (2002, section 3.1) on a sum of products, whatever its order, of the products' absolute sum.
        self._unit = np.float32(0.5 * EPS * (queries.shape[1] + 4))
        self._sizes = np.einsum("nd,nd->n", np.abs(queries), np.abs(asked.vectors[own])) + np.abs(asked.amounts).max(initial=0.0)

    def until(self, k: int) -> Ranks:
        """The counts, as far as k; shape (n,)."""
        places = np.zeros(len(self._rows), np.int64)
        doubt = np.arange(len(places))
        first = 0
        while first < len(self._order) and len(doubt):
            last = min(first + max(BLOCK, CELLS // len(doubt)), len(self._order))
            places[doubt] += self._ahead(doubt, first, last)
            doubt, first = doubt[places[doubt] < k], last
        return np.minimum(places, k)

    def _ahead(self, doubt: Rows, first: int, last: int) -> Ranks:
        """How many of the items counted from `first` to `last` are ahead of each one's in doubt."""
        rows, slots = self._rows[doubt], self._order[first:last]
        queries, vectors = self._asked.queries[rows], self._asked.vectors[slots]
        scores = queries @ vectors.T
        places, moved = _between(self._moved, first, last)
        if len(moved):
            scores[:, places] += self._asked.added(rows, moved)
        places, hidden = _between(self._hidden, first, last)
        near = np.searchsorted(rows, hidden)
        struck = rows[np.minimum(near, len(rows) - 1)] == hidden
        scores[near[struck], places[struck]] = -np.inf
        slack = self._unit * (self._sizes[doubt] + np.abs(queries) @ np.abs(vectors).max(axis=0))
        least, most = self._scores[doubt] - slack, self._scores[doubt] + slack
        above: Ranks = np.count_nonzero(scores > most[:, None], axis=1)
        close = np.count_nonzero(scores >= least[:, None], axis=1) - above
        for at in np.flatnonzero(close).tolist():
            told = slots[(scores[at] >= least[at]) & (scores[at] <= most[at])]
            above[at] += self._exactly(int(doubt[at]), told)
        return above

    def _exactly(self, row: int, slots: Rows) -> int:
        """How many of these items are ahead of one query's own."""
        both = np.append(slots, self._own[row])
        query = self._asked.queries[self._rows[row]].astype(np.float64)
        scores = (self._asked.vectors[both].astype(np.float64) * query).sum(axis=1).astype(np.float32)
        scores += self._added(np.full(len(both), row), both)
        own = self._asked.item(self._own[row])
        first = np.array([self._asked.item(slot) < own for slot in slots.tolist()], np.bool_)
        return int(np.count_nonzero((scores[:-1] > scores[-1]) | ((scores[:-1] == scores[-1]) & first)))

    def _added(self, rows: Rows, slots: Rows) -> Vectors:
        """What is added to each of these pairs' score; shape (pairs,)."""
        place, amounts = self._amount[slots], self._asked.amounts
        added = np.zeros(len(slots), np.float32)
        moved = place >= 0
        added[moved] = amounts[self._rows[rows[moved]] if len(amounts) > 1 else 0, place[moved]]
        return added


def _sorted(places: Rows, values: Rows) -> tuple[Rows, Rows]:
    order = np.argsort(places, kind="stable")
    return places[order], values[order]


def _between(pairs: tuple[Rows, Rows], first: int, last: int) -> tuple[Rows, Rows]:
    """Places counted from `first`, and their values."""
    begin, end = np.searchsorted(pairs[0], [first, last])
    return pairs[0][begin:end] - first, pairs[1][begin:end]
