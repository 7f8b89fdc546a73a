"""Vectors filled up to what FAISS decodes at once."""

import numpy as np
import pytest

from ratoon.domain.dial import Codec, Dial, filled_up
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.eights import learnt, longer
from ratoon.index.ivf.fours import lists_of


def test_zeros_come_after() -> None:
    """Rows become as long as they shall be, what they said first; those that are long enough stay; so with what was learnt."""
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert longer(rows, 5).tolist() == [[0, 1, 2, 0, 0], [3, 4, 5, 0, 0]]
    assert longer(rows, 3).tolist() == rows.tolist()
    assert longer(rows[:, :2], 2).flags.c_contiguous
    assert learnt(np.array([1, 2, 3, 4], np.float32), 2, 3).tolist() == [1, 2, 0, 3, 4, 0]
    assert learnt(np.empty(0, np.float32), 2, 3).tolist() == []
    assert [filled_up(dim, "fp16") for dim in (1, 8, 68)] == [8, 8, 72]
    assert filled_up(68, "flat") == 68


@pytest.mark.parametrize("codec", ["flat", "fp16", "sq8", "sq4"])
@pytest.mark.parametrize("dim", [5, 8, 13])
def test_nobody_sees_them(codec: Codec, dim: int) -> None:
    """Codes, vectors and centroids have the length that was given, and a search finds the best by these."""
    vectors = np.random.default_rng(0).standard_normal((500, dim)).astype(np.float32)
    lists = lists_of(shape_for(Dial(6, codec), vectors))
    codes = lists.encoded(vectors)
    lists.put(np.arange(500), lists.assigned(vectors), codes)
    assert codes.shape == (500, dim * {"flat": 4, "fp16": 2, "sq8": 1, "sq4": 2}[codec])
    assert lists.centroids.shape == (6, dim)
    kept = lists.vectors(np.arange(500))
    assert np.array_equal(kept, lists.decoded(codes))
    assert np.abs(kept - vectors).max() < 0.05
    assert all(own.shape[1] == codes.shape[1] for own in (lists.entries(number)[1] for number in range(6)))
    scores, slots = lists.search(vectors[:9], 4, 6)
    exact = vectors[:9] @ kept.T
    assert np.allclose(scores, np.sort(exact, axis=1)[:, :-5:-1], atol=1e-4)
    assert np.allclose(np.take_along_axis(exact, slots, 1), scores, atol=1e-4)
    few = np.array([3, 499, 7])
    assert np.array_equal(lists.vectors(few), kept[few])
