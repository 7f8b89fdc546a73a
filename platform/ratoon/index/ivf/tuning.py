"""How many lists a query has to look into: which lists hold its exact answers, and where these stand in its order of lists."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.alone import alone
from ratoon.index.ivf.blocks import blocks
from ratoon.index.ivf.fours import FourBits
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.sides import Sides

BLOCK, FEW = 4_096, 64
"""Vectors that are scored at once, and queries whose lists are put in order at once."""

DEPTHS, ALL = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0), 16
"""How many times as deep as is asked for codes may have to be looked, and how deep nothing that is best is missed any more."""

LOST = 0.01
"""The share of what lists hold that may be lost by looking at codes first."""

KEPT = 4
"""Scores of each query, per item that is asked for, that may wait until the best of them are chosen."""

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""The mean share of the exact answers that is found, and its standard error, in 1, 2, ... lists; shape (lists,) each."""


def probes_for(sides: Sides, queries: Vectors, k: int, recall: float, gone: Sequence[Rows] = ()) -> tuple[int, float]:
    """The fewest lists of which a search finds its share of the exact top k, and that share.

    The mean over the queries, less its standard error, must reach `recall`; if looking into every list does not do it, that is
    the answer.

    Args:
        queries: shape (n, dim).
        gone: the slots that each must not be answered with: what a user has had is among what is found, so that of the k best
            of the others fewer are; n of them, or nothing.
    """
    if not len(sides.live) or not len(queries):
        return 1, 1.0
    mean, error = _curve(sides, queries, k, gone)
    enough = np.append(mean[:-1] - error[:-1] >= recall, True)
    fewest = int(np.argmax(enough))
    return fewest + 1, float(mean[fewest])


def share_of(sides: Sides, queries: Vectors, k: int, probes: int, gone: Sequence[Rows] = ()) -> tuple[float, float]:
    """The mean share of the exact top k that is found in so many lists, and its standard error; see `probes_for`."""
    if not len(sides.live) or not len(queries):
        return 1.0, 0.0
    mean, error = _curve(sides, queries, k, gone)
    last = min(probes, len(mean)) - 1
    return float(mean[last]), float(error[last])


def depth_for(sides: Sides, queries: Vectors, k: int, nprobe: int) -> tuple[float, float]:
    """How deep codes have to be looked for what the lists hold, and the share of that which is found so; see `Dial.deep`."""
    with sides.reading() as lists:
        if not isinstance(lists, FourBits) or not len(lists) or not len(queries):
            return 1.0, 1.0
        at = lists.order(queries, k, nprobe, ALL * k)
    found = np.array([(at < depth * k).mean(axis=1) for depth in DEPTHS])
    mean, error = found.mean(axis=1), found.std(axis=1) / np.sqrt(len(queries))
    enough = int(np.argmax(np.append(mean[:-1] - error[:-1] >= 1 - LOST, True)))
    return DEPTHS[enough], float(mean[enough])


def _curve(sides: Sides, queries: Vectors, k: int, gone: Sequence[Rows]) -> Curve:
    """An item that moves meanwhile counts where it was, where it is, in both or in neither; centroids have to stay."""
    hidden = _Hidden(gone)
    k = max(1, min(k, len(sides.live) - max(map(len, gone), default=0)))
    best = _Best(_ranks(sides.live, queries), k)
    for slots, codes, numbers in blocks(sides, BLOCK):
        scores = queries @ sides.live.decoded(codes).T
        hidden.strike(scores, slots)
        best.add(scores, numbers)
    return best.curve()


class _Hidden:
    """What queries must not be answered with; n sets of slots."""

    def __init__(self, gone: Sequence[Rows]) -> None:
        slots = np.concatenate([np.empty(0, np.int64), *gone])
        order = np.argsort(slots, kind="stable")
        self._slots, self._rows = slots[order], np.repeat(np.arange(len(gone)), [len(own) for own in gone])[order]

    def strike(self, scores: Vectors, slots: Rows) -> None:
        """Let it score less than anything, in scores of some slots; shape (n, slots)."""
        if not len(self._slots) or not len(slots):
            return
        order = np.argsort(slots, kind="stable")
        places = np.minimum(np.searchsorted(slots[order], self._slots), len(slots) - 1)
        there = slots[order[places]] == self._slots
        scores[self._rows[there], order[places[there]]] = -np.inf


@alone
def _ranks(lists: Lists, queries: Vectors) -> npt.NDArray[np.int32]:
    """The place of each list in each query's order of them; shape (queries, lists)."""
    ranks = np.empty((len(queries), lists.nlist), np.int32)
    for first in range(0, len(queries), FEW):
        order = lists.nearest_first(queries[first : first + FEW])
        np.put_along_axis(ranks[first : first + FEW], order, np.arange(lists.nlist, dtype=np.int32)[None, :], axis=1)
    return ranks


class _Best:
    """Of each query the k best scores so far: k and no more, however many are equal to the last of them.

    Args:
        ranks: of each list in each query's order; shape (queries, lists).
    """

    def __init__(self, ranks: npt.NDArray[np.int32], k: int) -> None:
        self._ranks, self._k = ranks, k
        self._least = np.full(len(ranks), -np.inf, np.float32)
        self._held = [(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))]
        self._waiting = 0

    def add(self, scores: Vectors, numbers: Rows) -> None:
        """Scores of some vectors, shape (queries, n), and the lists that these lie in, shape (n,)."""
        if not len(numbers):
            return
        if self._least.min() == -np.inf and scores.shape[1] >= self._k:
            self._least = np.nextafter(np.partition(scores, -self._k, axis=1)[:, -self._k], np.float32(-np.inf))
        # Places in the flat matrix: several times faster to find than pairs of row and column.
        above = np.flatnonzero(scores > self._least[:, None])
        rows = above // scores.shape[1]
        self._held.append((rows, self._ranks[rows, numbers[above % scores.shape[1]]], scores.ravel()[above]))
        self._waiting += len(above)
        if self._waiting > KEPT * self._k * len(self._ranks):
            self._choose()

    def _choose(self) -> None:
        rows, ranks, scores = (np.concatenate(column) for column in zip(*self._held, strict=True))
        order = np.lexsort((ranks, -scores, rows))
        rows = rows[order]
        kept = np.arange(len(rows)) - np.searchsorted(rows, rows) < self._k
        rows, ranks, scores = rows[kept], ranks[order][kept], scores[order][kept]
        counts = np.bincount(rows, minlength=len(self._ranks))
        full = counts == self._k
        self._least[full] = scores[np.cumsum(counts)[full] - 1]
        self._held, self._waiting = [(rows, ranks, scores)], 0

    def curve(self) -> Curve:
        """How much of the best is found in the first lists."""
        self._choose()
        rows, ranks, _ = self._held[0]
        queries, lists = self._ranks.shape
        total, squares = np.zeros(lists, np.int64), np.zeros(lists, np.int64)
        for own in np.split(ranks, np.searchsorted(rows, np.arange(1, queries))):
            found = np.cumsum(np.bincount(own, minlength=lists))
            total += found
            squares += found**2
        mean = total / queries
        spread = np.sqrt(np.maximum(squares / queries - mean**2, 0))
        return mean / self._k, spread / (self._k * np.sqrt(queries))
