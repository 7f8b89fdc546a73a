"""Scores summed without rounding that shows, and the share of the best of them that was found."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.found import Found
from ratoon.index.answers.held import Held
from ratoon.index.items.slots import Slots

CHUNK, BLOCK = 256, 4_096
"""Queries and vectors scored at once."""


def exact_scores(queries: Vectors, vectors: Vectors) -> npt.NDArray[np.float32]:
    """Inner products, summed in float64 so that the order of summation does not show; shape (queries, vectors)."""
    return (queries.astype(np.float64) @ vectors.astype(np.float64).T).astype(np.float32)


def recall_of(found: Sequence[Found], queries: Vectors, held: Held, slots: Slots, k: int) -> float:
    """The share of the exact top k that `found` holds; 1.0 where there is nothing to find.

    An item counts if its exact score reaches the k-th best one, so that among ties every choice is right. To know that all of
    a query's items do, it is enough to count what is ahead of the worst of them.
    """
    vectors = held.vectors
    wanted = min(k, len(vectors))
    if not wanted or not len(queries):
        return 1.0
    hits = 0
    for first in range(0, len(queries), CHUNK):
        asked = queries[first : first + CHUNK]
        places = [held.rows(slots.find(item for item, _ in pairs)) for pairs in found[first : first + CHUNK]]
        scores = [vectors[own] @ query for query, own in zip(asked, places, strict=True)]
        worst = np.array([own.min() + _slack(own.min()) if len(own) else np.inf for own in scores], np.float32)
        ahead = np.zeros(len(asked), np.int64)
        for block in range(0, len(vectors), BLOCK):
            ahead += np.count_nonzero(asked @ vectors[block : block + BLOCK].T > worst[:, None], axis=1)
        for row, own in enumerate(scores):
            hits += min(len(own), wanted) if ahead[row] < wanted else _reaching(own, vectors @ asked[row], wanted)
    return hits / (wanted * len(queries))


def _reaching(own: Vectors, scores: Vectors, wanted: int) -> int:
    """How many of `own` reach the k-th best of all scores, k being `wanted`."""
    least = np.partition(scores, -wanted)[-wanted]
    return min(int(np.count_nonzero(own >= least - _slack(least))), wanted)


def _slack(score: np.float32) -> float:
    """Float32 keeps about seven digits of a sum, in whatever order: the slack follows the score where scores are large."""
    return 4e-6 * max(1.0, abs(float(score)))
