"""Which centroid is nearest to each of many vectors.

Many vectors and many centroids are not all compared with each other: centroids are grouped, and a vector is compared with
those that lie nearest to the middle of the nearest group. With 2,000 centroids of a million vectors of 128 numbers that finds
the nearest of all for .995 of them, for a third of the time, and hardly a farther one for the rest.
"""

from typing import Any

import faiss
import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.alone import alone

MANY, LISTS = 4_096, 1_000
"""Vectors, and centroids, from which on not all are compared: with fewer, grouping takes as long as it saves."""

GROUP, SHARE = 16, 0.3
"""Centroids to a group, and the share of all that a vector is compared with."""

DOUBT = 1.75
"""A vector is compared with all if what was found is so many times as far, squared, as half of the others lie at most.

Where every centroid has a cluster of its own, far from the others, that is how one is missed.
"""

BLOCK = 32_768
"""Vectors that are gone through at once."""

# Numbers in a batch of queries from which on FAISS multiplies matrices; it would wait for 128,000, and with four vectors of 128
# that is faster already.
faiss.cvar.distance_compute_blas_threshold = 512


class Nearest:
    """The nearest of some centroids by squared distance: the same ones for the same vectors in the same batches.

    Groups follow from the centroids alone: copies of them, and those that are read from a snapshot, group alike.

    Args:
        centroids: shape (lists, dim).
    """

    def __init__(self, centroids: Vectors) -> None:
        self._all: Any = faiss.IndexFlatL2(centroids.shape[1])
        self._all.add(centroids)
        self._groups: tuple[Any, Rows] | None = None

    @property
    def centroids(self) -> Vectors:
        """Those of now: a view."""
        return memory(self._all)

    def move(self, numbers: Rows, centroids: Vectors) -> None:
        """Other places for some of them; shape (numbers, dim)."""
        self.centroids[numbers] = centroids
        self._groups = None

    @alone
    def of(self, vectors: Vectors, scale: Vectors | float = 1) -> Rows:
        """The number of the nearest one of each vector times `scale`, or of one hardly farther; shape (n,)."""
        if self._all.ntotal == 1:
            return np.zeros(len(vectors), np.int64)
        grouped = len(vectors) >= MANY and self._all.ntotal >= LISTS
        numbers = np.empty(len(vectors), np.int64)
        for first in range(0, len(vectors), BLOCK):
            block = vectors[first : first + BLOCK] * scale
            numbers[first : first + BLOCK] = self._grouped(block) if grouped else self._all.search(block, 1)[1][:, 0]
        return numbers

    def _grouped(self, vectors: Vectors) -> Rows:
        self._groups = self._groups or _groups(self.centroids)
        middles, around = self._groups
        group = middles.search(vectors, 1)[1][:, 0]
        order, numbers = np.argsort(group, kind="stable"), np.empty(len(vectors), np.int64)
        gaps = np.empty(len(vectors), np.float32)
        for rows in np.split(order, np.searchsorted(group[order], np.arange(1, len(around)))):
            if len(rows):
                near = around[group[rows[0]]]
                apart, places = faiss.knn(vectors[rows], self.centroids[near], 1)
                gaps[rows], numbers[rows] = apart[:, 0], near[places[:, 0]]
        doubtful = np.flatnonzero(gaps > DOUBT * np.median(gaps))
        numbers[doubtful] = self._all.search(vectors[doubtful], 1)[1][:, 0]
        return numbers


def _groups(centroids: Vectors) -> tuple[Any, Rows]:
    """The middles of groups, and for each the centroids that lie nearest to it; shape (groups, looked at)."""
    count = len(centroids) // GROUP
    made = faiss.Kmeans(centroids.shape[1], count, niter=8, seed=1, min_points_per_centroid=1)
    made.train(centroids)
    around = faiss.knn(np.asarray(made.centroids), centroids, round(SHARE * len(centroids)))[1]
    return made.index, np.sort(around, axis=1)


def memory(flat: Any) -> Vectors:
    """The vectors of a flat FAISS index: a view."""
    view: Vectors = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    return view
