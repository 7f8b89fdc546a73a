"""Exact answers, and the share of them that was found."""

import numpy as np
import pytest

from ratoon.bench.indexes import truth
from ratoon.bench.indexes.mixture import Mixture
from ratoon.bench.indexes.truth import Truth, exact, recall
from tests.bench.indexes.vectors import DIM, drawn


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the items are cut, the k best of all of them come back, best first, with their scores."""
    vectors, queries = drawn(700), Mixture(DIM).queries(20)
    scores = queries @ vectors.T
    monkeypatch.setattr(truth, "BLOCK", 64)
    for cuts in ([], [100], [5, 333]):
        found = exact(np.split(vectors, cuts), queries, 10)
        assert np.allclose(found.scores, -np.sort(-scores, axis=1)[:, :10], atol=1e-6)
        assert np.allclose(np.take_along_axis(scores, found.rows, 1), found.scores, atol=1e-6)


def test_recall_is_the_share_of_the_best() -> None:
    """What scores at least as high as the k-th best counts, whichever of equals it is; what scores lower does not."""
    known = Truth(np.array([[0, 1], [2, 3]]), np.array([[0.9, 0.8], [0.7, 0.6]], np.float32))
    assert recall([[0.9, 0.8], [0.7, 0.6]], known) == 1.0
    assert recall([[0.9, 0.5], [0.7, 0.6]], known) == 0.75
    assert recall([[], [0.6, 0.6]], known) == 0.5
