"""Numbers in four bits: of each dimension the nearest of sixteen levels, which lie where its values are (Lloyd 1982)."""

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors

LEVELS = 16

ENOUGH = 4_096
"""Vectors that the levels are learnt from, about."""

FLAT = 1e-3
"""How far from the one value that a dimension has its levels reach: FAISS finds nothing by products that are all the same."""

BLOCK = 1_024
"""Vectors whose levels are found at once: what that takes stays in the cache."""

Fours = npt.NDArray[np.uint8]
"""Numbers below LEVELS, shape (n, dim)."""


def levels_of(vectors: Vectors) -> Vectors:
    """The levels of each dimension, rising, shape (LEVELS, dim): the same for the same vectors, shape (n, dim), in one order."""
    dim = vectors.shape[1]
    spread = np.linspace(-FLAT, FLAT, LEVELS, dtype=np.float32)[:, None]
    if not len(vectors):
        return np.repeat(spread, dim, axis=1)
    enough = np.resize(vectors, (max(len(vectors), LEVELS), dim)).astype(np.float32)
    made: Any = faiss.ProductQuantizer(dim, dim, 4)
    made.cp.min_points_per_centroid = 1
    made.train(np.ascontiguousarray(enough))
    levels = faiss.vector_to_array(made.centroids).reshape(dim, LEVELS)
    rising = np.sort(levels, axis=1).T
    return np.ascontiguousarray(np.where(np.ptp(rising, axis=0) > 0, rising, rising + spread), np.float32)


def fours(vectors: Vectors, levels: Vectors) -> Fours:
    """The nearest level of each number; shape (n, dim)."""
    between = (levels[1:] + levels[:-1]) / 2
    found = np.zeros(vectors.shape, np.uint8)
    for first in range(0, len(vectors), BLOCK):
        some, own = vectors[first : first + BLOCK], found[first : first + BLOCK]
        for limit in between:
            own += some > limit
    return found
