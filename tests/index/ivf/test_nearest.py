"""The nearest of many centroids."""

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.ivf.nearest import LISTS, MANY, Nearest
from tests.index.mixtures import mixture

VECTORS = mixture(1, 300, dim=48).items(LISTS + 3 * MANY)
CENTROIDS, ASKED = VECTORS[:LISTS], VECTORS[LISTS:]


def apart(vectors: Vectors, centroids: Vectors) -> Vectors:
    """Squared distances, shape (vectors, centroids)."""
    squares: Vectors = np.square(vectors[:, None, :] - centroids).sum(axis=2)
    return squares


def gaps(vectors: Vectors, centroids: Vectors, numbers: np.ndarray) -> Vectors:
    """Of each vector from one centroid."""
    squares: Vectors = np.square(vectors - centroids[numbers]).sum(axis=1)
    return squares


def test_few_are_compared_with_all() -> None:
    """Fewer vectors, or fewer centroids, than are grouped find the nearest of all; so does the only centroid."""
    few = ASKED[:300]
    scale = np.linspace(0.5, 2, 48, dtype=np.float32)
    assert Nearest(CENTROIDS).of(few, scale).tolist() == np.argmin(apart(few * scale, CENTROIDS), axis=1).tolist()
    assert Nearest(CENTROIDS[:50]).of(ASKED[:MANY])[:300].tolist() == np.argmin(apart(few, CENTROIDS[:50]), axis=1).tolist()
    assert Nearest(CENTROIDS[:1]).of(few).tolist() == [0] * 300


def test_many_find_the_nearest_or_one_hardly_farther() -> None:
    """Of many vectors nearly all find the nearest of many centroids, and all together lie hardly farther from those found."""
    exact = Nearest(CENTROIDS)
    best = np.concatenate([exact.of(ASKED[first : first + 999]) for first in range(0, len(ASKED), 999)])
    found = exact.of(ASKED)
    assert 0.97 < np.mean(found == best) < 1
    assert gaps(ASKED, CENTROIDS, found).sum() < 1.003 * gaps(ASKED, CENTROIDS, best).sum()


def test_clusters_far_from_each_other_are_not_missed() -> None:
    """Where each centroid has a cluster of its own, few vectors are given to another one, though groups mean nothing there."""
    made = mixture(2, LISTS, dim=128)
    vectors = made.items(2 * MANY)
    nearest = Nearest(made.centres)
    best = np.concatenate([nearest.of(vectors[first : first + 999]) for first in range(0, len(vectors), 999)])
    assert np.mean(nearest.of(vectors) == best) > 0.999


def test_groups_follow_from_the_centroids_alone() -> None:
    """Centroids that were moved to where others began find the same for the same vectors; before that they did not."""
    begun, moved = Nearest(CENTROIDS), Nearest(-CENTROIDS)
    expected = begun.of(ASKED)
    assert np.mean(moved.of(ASKED) == expected) < 0.1
    moved.move(np.arange(LISTS), CENTROIDS)
    assert moved.centroids.tobytes() == begun.centroids.tobytes()
    assert moved.of(ASKED).tobytes() == expected.tobytes() == Nearest(CENTROIDS).of(ASKED).tobytes()
