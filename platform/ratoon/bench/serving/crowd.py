"""Items and the people who want them: power-law Gaussian clusters, and users who are between two of these.

Few clusters hold most of the items. A user's taste is the blend of two clusters' directions and some noise, so that what is
near it lies in several of an index's lists. Everything is of length 1 and compared by inner product.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors

DIM, ZIPF = 64, 0.6
PER_CLUSTER = 250
"""Items of a cluster on average: 4,000 clusters of a million items."""

SPREAD, NOISE = 0.6, 0.3
"""Of items around their cluster's direction, and of users around theirs, relative to its length."""

CATEGORIES = 20
CHUNK = 65_536


@dataclass(frozen=True)
class Crowd:
    """The same vectors for the same sizes.

    Attributes:
        items, users: how many.
    """

    items: int
    users: int

    @property
    def clusters(self) -> int:
        """How many there are."""
        return max(1, self.items // PER_CLUSTER)

    @cached_property
    def _directions(self) -> Vectors:
        return unit(_noise(np.random.default_rng(1), self.clusters))

    @cached_property
    def _weights(self) -> npt.NDArray[np.float64]:
        weights = np.arange(1, self.clusters + 1) ** -ZIPF
        shares: npt.NDArray[np.float64] = weights / weights.sum()
        return shares

    def vectors(self) -> Vectors:
        """Every item's; shape (items, DIM)."""
        return self.around(self._of(self.items, 2), 3)

    def around(self, clusters: npt.NDArray[np.int64], stream: int) -> Vectors:
        """One item's vector for each of these clusters; shape (n, DIM)."""
        random, made = np.random.default_rng(stream), np.empty((len(clusters), DIM), np.float32)
        for first in range(0, len(clusters), CHUNK):
            own = clusters[first : first + CHUNK]
            made[first : first + CHUNK] = unit(self._directions[own] + SPREAD * _noise(random, len(own)))
        return made

    def moved(self, rows: npt.NDArray[np.int64], stream: int) -> Vectors:
        """Where these items go when they are learnt anew: into other clusters; shape (n, DIM)."""
        return self.around(self._of(len(rows), stream), stream + 1)

    def tastes(self) -> Vectors:
        """Every user's; shape (users, DIM)."""
        random = np.random.default_rng(4)
        first, second = (self._directions[self._of(self.users, stream)] for stream in (5, 6))
        share = random.uniform(0.3, 0.7, (self.users, 1)).astype(np.float32)
        return unit(share * first + (1 - share) * second + NOISE * _noise(random, self.users))

    def categories(self) -> npt.NDArray[np.int64]:
        """Every item's, each as likely; shape (items,)."""
        return np.random.default_rng(7).integers(0, CATEGORIES, self.items)

    def prices(self) -> npt.NDArray[np.float64]:
        """Every item's, uniform from 0 to 100, so that `price <= x` is true of x % of them; shape (items,)."""
        return np.random.default_rng(8).uniform(0, 100, self.items)

    def _of(self, count: int, stream: int) -> npt.NDArray[np.int64]:
        return np.random.default_rng(stream).choice(self.clusters, count, p=self._weights)


def unit(vectors: Vectors) -> Vectors:
    """Of length 1; shape (n, dim)."""
    made: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return made


def _noise(random: np.random.Generator, count: int) -> Vectors:
    """Directions of about length 1; shape (count, DIM)."""
    noise: Vectors = random.standard_normal((count, DIM), np.float32) / np.float32(np.sqrt(DIM))
    return noise


def item_ids(rows: npt.NDArray[np.int64]) -> list[str]:
    """The ids of these items."""
    return [f"i{row}" for row in rows.tolist()]


def user_ids(rows: npt.NDArray[np.int64]) -> list[str]:
    """The ids of these users."""
    return [f"u{row}" for row in rows.tolist()]
