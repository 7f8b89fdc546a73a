"""Vectors that are hard to index: a mixture of overlapping clusters, asked from between them.

Two thousand Gaussians lie around sixty centres and are of very different sizes. They are wide enough to run into each other,
and few of their dimensions carry most of the variance. A query is the blend of two items' directions, as a user tower answers
for a person of two tastes, so that its neighbours are spread over many lists. Everything is of length 1.

Values are rounded to float16: an index of 16 bits then keeps them whole, and its scores can be checked to float32's rounding.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors

CLUSTERS, CENTRES = 2_000, 60
SPECTRUM, ZIPF = 0.6, 0.6
"""How fast dimensions lose variance, and clusters weight, with their number."""

SPREAD, WIDTH = 0.6, 0.5 * 2.2
"""Of clusters around their centre, and of items around their cluster; the 2.2 is what makes clusters overlap."""

BLEND = 0.7
"""The second item's share of a query, of the first's."""

CHUNK = 65_536

ITEMS: Final = 1
MOVED: Final = 2
TUNING: Final = 3
JUDGED: Final = 4
"""Streams of draws that share nothing: items, what they change into, queries to tune by, queries to judge by."""


class Mixture:
    """The same vectors for the same arguments, in any order of asking."""

    def __init__(self, dim: int, seed: int = 0, clusters: int = CLUSTERS) -> None:
        self.dim, self.seed = dim, seed
        random = np.random.default_rng(seed)
        spectrum = np.arange(1, dim + 1) ** -SPECTRUM
        self._scale = (spectrum / np.sqrt((spectrum**2).mean())).astype(np.float32)
        centres = self._noise(random, CENTRES)
        self._clusters = centres[random.integers(0, CENTRES, clusters)] + SPREAD * self._noise(random, clusters)
        weights = np.arange(1, clusters + 1) ** -ZIPF
        self._weights = weights / weights.sum()

    def vectors(self, count: int, stream: int = ITEMS) -> Iterator[Vectors]:
        """So many vectors, `CHUNK` of them at a time; shape (n, dim) each."""
        return (part for part, _ in self.drawn(count, stream))

    def drawn(self, count: int, stream: int = ITEMS) -> Iterator[tuple[Vectors, npt.NDArray[np.int64]]]:
        """The same vectors, each chunk with its vectors' clusters, shape (n,)."""
        for number, first in enumerate(range(0, count, CHUNK)):
            random = np.random.default_rng([self.seed, stream, number])
            own = random.choice(len(self._clusters), min(CHUNK, count - first), p=self._weights)
            yield self._around(random, own), own

    def of_clusters(self, clusters: npt.NDArray[np.int64], stream: int) -> Vectors:
        """A vector of each of these clusters; shape (n, dim)."""
        return self._around(np.random.default_rng([self.seed, stream]), clusters)

    def queries(self, count: int, stream: int = JUDGED) -> Vectors:
        """Shape (count, dim)."""
        pairs = np.concatenate(list(self.vectors(2 * count, stream)))
        return blended(pairs[:count], pairs[count:])

    def _around(self, random: np.random.Generator, clusters: npt.NDArray[np.int64]) -> Vectors:
        return unit(self._clusters[clusters] + WIDTH * self._noise(random, len(clusters)))

    def _noise(self, random: np.random.Generator, count: int) -> Vectors:
        noise: Vectors = random.standard_normal((count, self.dim), np.float32) * self._scale
        return noise


def blended(first: Vectors, second: Vectors) -> Vectors:
    """Queries between two items each; shape (n, dim)."""
    return unit(first + BLEND * second)


def unit(vectors: Vectors) -> Vectors:
    """Of length 1 but for rounding to float16; shape (n, dim)."""
    rounded: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
    return rounded
