"""Vectors in clusters, and queries between them."""

from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors


@dataclass(frozen=True)
class Mixture:
    """Clusters of unit vectors around `centres`, shape (clusters, dim)."""

    centres: Vectors
    rng: np.random.Generator

    def items(self, count: int) -> Vectors:
        """Vectors of these clusters, shape (count, dim)."""
        near = self.centres[self.rng.integers(0, len(self.centres), count)]
        return unit(near + 0.5 * self.rng.standard_normal(near.shape) / np.sqrt(near.shape[1]))

    def queries(self, count: int) -> Vectors:
        """What somebody asks who likes two clusters."""
        return unit(self.items(count) + 0.7 * self.items(count))


def mixture(seed: int, clusters: int, dim: int = 16) -> Mixture:
    """Clusters at random places."""
    rng = np.random.default_rng(seed)
    return Mixture(unit(rng.standard_normal((clusters, dim))), rng)


def unit(vectors: np.ndarray) -> Vectors:
    """Of length 1."""
    made: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return made
