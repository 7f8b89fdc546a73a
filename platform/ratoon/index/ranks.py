"""At which place one item stands for each query, found without ranking the others.

A place is the number of items that are ahead. They are counted in blocks of the catalogue, the likeliest first, and a query
leaves the count as soon as k are ahead of its item: of most of them that is so after the first block, so that asking whether
an item is among the best k costs a fraction of finding the best k. This is the pruning of Teflioudi, Gemulla and Mykytiuk
(2015, LEMP), with a threshold that is known from the start.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.checks import refuse_unequal
from ratoon.index.slots import Rows, Slots

Ranks = npt.NDArray[np.int64]
"""Places from 0, shape (queries,)."""

BLOCK, TOGETHER = 512, 2_048
"""Items and queries counted at once: their scores stay in the processor's cache."""


def ranks_of(
    queries: Vectors, vectors: Vectors, slots: Slots, wanted: Sequence[str], k: int, exclude: Sequence[Iterable[str]]
) -> Ranks:
    """The place of each query's item among its k best, ties by id; k if it is not among them.

    Args:
        queries: shape (n, dim).
        vectors: shape (items, dim), by slot.
        wanted: n item ids; one that is not held, or is excluded, has the place k.
        exclude: n sets of item ids, or nothing.

    Raises:
        UsageError: not as many wanted items as queries.
    """
    refuse_unequal(wanted, queries)
    places = np.full(len(queries), k, np.int64)
    gone = [slots.find(ids) for ids in exclude] or [np.empty(0, np.int64)] * len(queries)
    held = [row for row, item in enumerate(wanted) if len(own := slots.find([item])) and own[0] not in gone[row]]
    order = np.argsort(-(vectors @ queries.mean(axis=0)), kind="stable") if held else np.empty(0, np.int64)
    for first in range(0, len(held), TOGETHER):
        rows = held[first : first + TOGETHER]
        asked = _Asked(queries[rows], vectors, slots.ids, slots.of([wanted[row] for row in rows]))
        places[rows] = _counted(asked, [gone[row] for row in rows], order, k)
    return places


def _counted(asked: "_Asked", gone: Sequence[Rows], order: Rows, k: int) -> Ranks:
    # All that is excluded may be ahead and does not count. How much of it is, only those that are still in doubt have to know.
    places = np.array([-len(out) for out in gone], np.int64)
    places += asked.count(np.arange(len(gone)), order[:BLOCK])
    doubt = np.flatnonzero(places < k)
    places[doubt] += np.array([len(gone[row]) - len(asked.ahead(row, gone[row])) for row in doubt.tolist()], np.int64)
    for first in range(BLOCK, len(order), BLOCK):
        doubt = doubt[places[doubt] < k]
        if not len(doubt):
            break
        places[doubt] += asked.count(doubt, order[first : first + BLOCK])
    return np.minimum(places, k)


class _Asked:
    """Queries, each with the score of the item it is about.

    Scores in float32 differ with the order of summation. Those too near to the wanted item's to tell are computed again in
    float64 and rounded, so that equal vectors tie and an item is ahead or not wherever it is asked about.
    """

    def __init__(self, queries: Vectors, vectors: Vectors, ids: Sequence[str], wanted: Rows) -> None:
        self._queries, self._vectors, self._ids, self._wanted = queries, vectors, ids, wanted
        self._scores = np.einsum("nd,nd->n", queries, vectors[wanted])
        longest = float(np.sqrt(np.einsum("nd,nd->n", vectors, vectors).max()))
        # The bound of Higham (2002, section 3.1) on a float32 sum of products, for both scores that are compared.
        unit = 2.0 * queries.shape[1] * float(np.finfo(np.float32).eps)
        self._slack = (unit * longest * np.linalg.norm(queries, axis=1)).astype(np.float32)

    def count(self, rows: Rows, slots: Rows) -> Ranks:
        """How many of these items are ahead of each row's."""
        scores = self._queries[rows] @ self._vectors[slots].T
        least, most = self._scores[rows] - self._slack[rows], self._scores[rows] + self._slack[rows]
        above: Ranks = np.count_nonzero(scores > most[:, None], axis=1)
        near = np.count_nonzero(scores >= least[:, None], axis=1) - above
        for at in np.flatnonzero(near):
            close = slots[(scores[at] >= least[at]) & (scores[at] <= most[at])]
            above[at] += len(self._ahead_exactly(rows[at], close))
        return above

    def ahead(self, row: int, slots: Rows) -> Rows:
        """Those of these items that are ahead of one row's."""
        if not len(slots):
            return slots
        scores = self._vectors[slots] @ self._queries[row]
        least, most = self._scores[row] - self._slack[row], self._scores[row] + self._slack[row]
        close = self._ahead_exactly(row, slots[(scores >= least) & (scores <= most)])
        return np.concatenate([slots[scores > most], close])

    def _ahead_exactly(self, row: int, slots: Rows) -> Rows:
        wanted = int(self._wanted[row])
        query = self._queries[row].astype(np.float64)
        scores = (self._vectors[slots].astype(np.float64) * query).sum(axis=1).astype(np.float32)
        own = (self._vectors[wanted].astype(np.float64) * query).sum().astype(np.float32)
        first = np.array([slot != wanted and self._ids[slot] < self._ids[wanted] for slot in slots], np.bool_)
        ahead: Rows = slots[(scores > own) | ((scores == own) & first)]
        return ahead
