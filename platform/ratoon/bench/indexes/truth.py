"""The exact answer by brute force in NumPy, a block of items at a time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors

BLOCK = 16_384
ROUNDING = 2e-5
"""How far two sums of the same float32 products may be apart, in whatever order they were added."""


Scored = tuple[Vectors, npt.NDArray[np.int64]]
"""Scores of some items, and their rows; shape (n,) each."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The k best of each query, best first.

    Attributes:
        rows: shape (queries, k).
        scores: shape (queries, k).
    """

    rows: npt.NDArray[np.int64]
    scores: Vectors

    def same(self, other: "Truth") -> float:
        """The share of the rows that are in both, over all queries."""
        pairs = zip(self.rows, other.rows, strict=True)
        return float(np.mean([np.isin(one, another).mean() for one, another in pairs]))


def exact(items: Iterable[Vectors], queries: Vectors, k: int) -> Truth:
    """Look at every item; there are at least k."""
    best, first = [(np.empty(0, np.float32), np.empty(0, np.int64)) for _ in queries], 0
    least = np.full(len(queries), -np.inf, np.float32)
    for chunk in items:
        for begin in range(0, len(chunk), BLOCK):
            own = queries @ chunk[begin : begin + BLOCK].T
            # After a few blocks hardly anything is better than what was found: sorting all of it would take the longest.
            for query in np.flatnonzero(own.max(axis=1) >= least).tolist():
                columns = np.flatnonzero(own[query] >= least[query])
                best[query] = _best(best[query], (own[query, columns], first + columns), k)
                least[query] = best[query][0].min() if len(best[query][0]) == k else -np.inf
            first += own.shape[1]
    order = [np.argsort(-scores, kind="stable") for scores, _ in best]
    rows = np.stack([found[own] for (_, found), own in zip(best, order, strict=True)])
    return Truth(rows, np.stack([scores[own] for (scores, _), own in zip(best, order, strict=True)]))


def _best(one: Scored, other: Scored, k: int) -> Scored:
    scores, rows = np.concatenate([one[0], other[0]]), np.concatenate([one[1], other[1]])
    if len(scores) <= k:
        return scores, rows
    kept = np.argpartition(-scores, k - 1)[:k]
    return scores[kept], rows[kept]


def recall(found: Iterable[list[float]], truth: Truth) -> float:
    """The share of the exact k best that was found, told by scores: of equal ones any is right.

    Args:
        found: the scores of each query's answer, whose items are different ones.
    """
    k = truth.scores.shape[1]
    shares = [sum(score >= least - ROUNDING for score in own) / k for own, least in zip(found, truth.scores[:, -1], strict=True)]
    return float(np.mean(np.minimum(shares, 1.0)))
