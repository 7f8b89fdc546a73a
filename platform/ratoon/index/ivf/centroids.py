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
from ratoon.index.ivf.lists import Shape

SAMPLE, ROUNDS = 40, 8
"""Vectors per centroid, and passes over them: more of either moved recall by less than a thousandth."""

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
    return Shape(centroids, scale, usual, dial.codec, _trained(dial, sample))


def means(vectors: Vectors, count: int) -> tuple[Vectors, float]:
    """Centroids of at least so many vectors, as long as they are, shape (count, dim), and the mean squared distance from them."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    made = faiss.Kmeans(vectors.shape[1], count, niter=ROUNDS, seed=1, min_points_per_centroid=1, max_points_per_centroid=SAMPLE)
    made.train(vectors)
    nearest = np.asarray(made.assign(vectors)[1])
    order = np.argsort(nearest, kind="stable")
    groups = np.split(vectors[order], np.searchsorted(nearest[order], np.arange(1, count)))
    centroids = np.stack([lengthened(mean, group) for mean, group in zip(np.asarray(made.centroids), groups, strict=True)])
    return centroids, float(np.square(vectors - centroids[nearest]).sum(axis=1).mean())


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


def _trained(dial: Dial, sample: Vectors) -> Vectors:
    if dial.codec != "sq8":
        return np.empty(0, np.float32)
    quantizer = faiss.ScalarQuantizer(sample.shape[1], faiss.ScalarQuantizer.QT_8bit)
    quantizer.train(sample)
    return np.asarray(faiss.vector_to_array(quantizer.trained), np.float32)
