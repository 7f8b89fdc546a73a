"""Levels of numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ratoon.index.ivf.levels import LEVELS, fours, levels_of


@given(seed=st.integers(0, 2**32), count=st.sampled_from([1, 40, 3_000]))
def test_the_nearest_level_is_found(seed: int, count: int) -> None:
    """Of every number, beyond the outermost levels too."""
    rng = np.random.default_rng(seed)
    levels = np.sort(rng.standard_normal((LEVELS, 3)), axis=0).astype(np.float32)
    vectors = 3 * rng.standard_normal((count, 3)).astype(np.float32)
    found = np.take_along_axis(levels, fours(vectors, levels).astype(np.int64), axis=0)
    nearest = np.abs(vectors[:, None, :] - levels).min(axis=1)
    assert np.allclose(np.abs(vectors - found), nearest, atol=1e-6)


def test_levels_lie_where_values_are() -> None:
    """They rise, are the same for the same vectors, and off by as much as is known of sixteen for normal numbers."""
    vectors = np.random.default_rng(0).standard_normal((4_096, 3)).astype(np.float32) * np.array([1, 100, 0], np.float32)
    levels = levels_of(vectors)
    assert (np.diff(levels, axis=0) >= 0).all()
    assert np.array_equal(levels, levels_of(vectors))
    off = np.take_along_axis(levels, fours(vectors, levels).astype(np.int64), axis=0) - vectors
    assert (off.var(axis=0)[:2] / vectors.var(axis=0)[:2] < 0.014).all()
    assert not levels[:, 2].any()
    assert not levels_of(vectors[:0]).any()
    assert np.allclose(levels_of(vectors[:1]), vectors[0])
