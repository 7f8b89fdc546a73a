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


def test_one_value_has_levels_around_it() -> None:
    """A dimension that does not vary, and one of which nothing is known, has levels all the same, close together."""
    for values, middle in ((np.full((50, 2), [3, 0], np.float32), [3, 0]), (np.empty((0, 2), np.float32), [0, 0])):
        levels = levels_of(values)
        assert (np.diff(levels, axis=0) >= 0).all()
        assert (np.ptp(levels, axis=0) > 0).all()
        assert np.allclose(levels, middle, atol=0.02)
