"""Where lists begin: spherical k-means on a sample (Dhillon and Modha 2001), by FAISS."""

import faiss
import numpy as np

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import Vectors
from ratoon.index.lists import Shape

SAMPLE, ROUNDS = 40, 8
"""Vectors per centroid, and passes over them: more of either moved recall by less than a thousandth."""


def shape_for(dial: Dial, vectors: Vectors, seed: int = 0) -> Shape:
    """Centroids, and what the codec learns, from some of the vectors; the same for the same vectors in the same order.

    Args:
        vectors: shape (n, dim), n at least `dial.lists`, unless that is 1.
    """
    dim = vectors.shape[1]
    rows = np.random.default_rng(seed).permutation(len(vectors))[: SAMPLE * dial.lists]
    sample = np.ascontiguousarray(vectors[np.sort(rows)], np.float32)
    centroids = np.zeros((1, dim), np.float32)
    if dial.lists > 1:
        made = faiss.Kmeans(
            dim,
            dial.lists,
            niter=ROUNDS,
            seed=seed + 1,
            spherical=True,
            min_points_per_centroid=1,
            max_points_per_centroid=SAMPLE,
        )
        made.train(sample)
        centroids = np.asarray(made.centroids, np.float32)
    return Shape(centroids, dial.codec, _trained(dial, sample))


def _trained(dial: Dial, sample: Vectors) -> Vectors:
    if dial.codec != "sq8":
        return np.empty(0, np.float32)
    quantizer = faiss.ScalarQuantizer(sample.shape[1], faiss.ScalarQuantizer.QT_8bit)
    quantizer.train(sample)
    return np.asarray(faiss.vector_to_array(quantizer.trained), np.float32)
