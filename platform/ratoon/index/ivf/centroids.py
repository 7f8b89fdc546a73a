"""Where lists begin: k-means on a sample (Lloyd 1982), by FAISS.

A list is found by the inner product of a query and its centroid. Where vectors are compared with each other a dimension counts
as much as it moves inner products: each is scaled so that items vary in it as much as queries make of it. A mean of vectors
that differ is shorter than they are; it is made as long as they are, or lists of unlike items would be found too seldom.
With vectors of one length and queries like them this is spherical k-means (Dhillon and Modha 2001).
"""

import faiss
import numpy as np

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import Vectors
from ratoon.index.ivf.levels import ENOUGH, levels_of
from ratoon.index.ivf.nearest import Nearest
from ratoon.index.ivf.shape import Shape

SAMPLE, PASSES = 40, 4
"""Vectors per centroid, and passes over them. All vectors pass once more as they are laid out, see `carry`."""

BEGIN, ROUNDS = 10, 4
"""Vectors per centroid among which FAISS begins, and its passes over them: it fills centroids that nothing is nearest to."""

BLOCK = 16_384
"""Vectors that are gone through at once."""

LEAST = 1e-3
"""The least scale of a dimension, over the largest: one that no query uses could not be divided by."""


def shape_for(dial: Dial, sample: Vectors, queries: Vectors | None = None) -> Shape:
    """Centroids, and what the codec learns; the same for the same vectors in the same order.

    Args:
        sample: shape (n, dim), n at least `dial.lists`, unless that is 1.
        queries: such as will be asked, shape (m, dim); without any, they are taken to be like the sample.
    """
    dim = sample.shape[1]
    scale = np.ones(dim, np.float32) if queries is None or not len(queries) else _scale(sample, queries)
    centroids, usual = np.zeros((1, dim), np.float32), 0.0
    if dial.lists > 1:
        centroids, usual = means(sample * scale, dial.lists)
    return Shape(centroids, scale, usual, dial.codec, _trained(dial, sample, centroids, scale), dial.deep)


def means(vectors: Vectors, count: int) -> tuple[Vectors, float]:
    """Centroids of at least so many vectors, as long as they are, shape (count, dim), and the mean squared distance from them."""
    dim = vectors.shape[1]
    made = faiss.Kmeans(dim, count, niter=ROUNDS, seed=1, min_points_per_centroid=1, max_points_per_centroid=BEGIN)
    made.train(np.ascontiguousarray(vectors, np.float32))
    centroids, apart = np.asarray(made.centroids), 0.0
    for _ in range(PASSES):
        passing = Passing(centroids)
        for first in range(0, len(vectors), BLOCK):
            passing.add(vectors[first : first + BLOCK])
        centroids, apart = passing.centroids(), passing.apart()
    return centroids, apart


class Passing:
    """One pass over vectors: which centroid is nearest to each, and where that is centred then.

    Args:
        centroids: before it, shape (n, dim).
    """

    def __init__(self, centroids: Vectors) -> None:
        self._nearest, self._before = Nearest(centroids), centroids
        self._sums = np.zeros(centroids.shape)
        self._lengths, self._counts = np.zeros(len(centroids)), np.zeros(len(centroids), np.int64)
        self._apart = 0.0

    def add(self, vectors: Vectors) -> None:
        """Some of them, shape (n, dim)."""
        numbers = self._nearest.of(vectors)
        order = np.argsort(numbers, kind="stable")
        met, starts = np.unique(numbers[order], return_index=True)
        self._sums[met] += np.add.reduceat(vectors[order], starts, axis=0)
        self._lengths += np.bincount(numbers, np.linalg.norm(vectors, axis=1), len(self._before))
        self._counts += np.bincount(numbers, minlength=len(self._before))
        self._apart += float(np.square(vectors - self._before[numbers]).sum())

    def centroids(self) -> Vectors:
        """The means, made as long as their vectors; where there are none, or they cancel out, what was before."""
        lengths = np.linalg.norm(self._sums, axis=1)
        known = lengths > 0
        after = self._before.copy()
        after[known] = self._sums[known] * (self._lengths[known] / self._counts[known] / lengths[known])[:, None]
        return after

    def apart(self) -> float:
        """The mean squared distance from the centroids before."""
        return self._apart / max(int(self._counts.sum()), 1)


def lengthened(mean: Vectors, vectors: Vectors) -> Vectors:
    """The mean, shape (dim,), as long as vectors are on average whose mean it is, shape (n, dim)."""
    length = np.linalg.norm(mean)
    if not len(vectors) or not length:
        return mean
    longer: Vectors = (mean * (np.linalg.norm(vectors, axis=1).mean() / length)).astype(np.float32)
    return longer


def _scale(sample: Vectors, queries: Vectors) -> Vectors:
    asked, vary = np.sqrt(np.square(queries, dtype=np.float64).mean(axis=0)), sample.std(axis=0, dtype=np.float64)
    scale = np.sqrt(asked / np.where(vary > 0, vary, np.inf))
    bounded: Vectors = np.maximum(scale / (scale.max() or 1), LEAST).astype(np.float32)
    return bounded


def _trained(dial: Dial, sample: Vectors, centroids: Vectors, scale: Vectors) -> Vectors:
    if dial.codec == "sq4":
        some = sample[:: 1 + len(sample) // ENOUGH]
        return levels_of(some - centroids[Nearest(centroids).of(some, scale)] / scale).ravel()
    if dial.codec != "sq8":
        return np.empty(0, np.float32)
    quantizer = faiss.ScalarQuantizer(sample.shape[1], faiss.ScalarQuantizer.QT_8bit)
    quantizer.train(sample)
    return np.asarray(faiss.vector_to_array(quantizer.trained), np.float32)
