"""Lists in four bits a number, beyond what every codec does."""

import numpy as np
import pytest

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.ivf import fours
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.fours import FourBits
from ratoon.index.ivf.sides import Sides
from ratoon.index.ivf.tuning import ALL, depth_for
from tests.index.mixtures import mixture
from tests.index.test_faiss_cpu import batch


def filled(deep: float = 2.0, lists: int = 20) -> FourBits:
    """Lists of 3,000 items."""
    items = mixture(3, 30).items(3_000)
    made = FourBits(shape_for(Dial(lists, "sq4", deep=deep), items))
    made.put(np.arange(3_000), made.assigned(items), made.encoded(items))
    return made


def test_scores_are_exact_and_what_is_missed_is_what_codes_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deeper looks find more of the best; as deep as there are items they find all; scores are those of the vectors."""
    lists, queries = filled(), mixture(3, 30).queries(40)
    exact = queries @ lists.vectors(np.arange(3_000)).T
    monkeypatch.setattr(fours, "LEAST", 0)
    best = np.sort(exact, axis=1)[:, -100, None]
    shares = []
    for deep in (1.0, 2.0, 1e6):
        lists.deepen(deep)
        scores, slots = lists.search(queries, 100, 20)
        assert np.allclose(scores, np.take_along_axis(exact, slots, axis=1), atol=1e-6)
        assert (np.diff(scores, axis=1) <= 0).all()
        shares.append(float((scores >= best - 1e-6).mean()))
    assert 0.8 < shares[0] < shares[1] <= shares[2] == 1.0


def test_what_tells_nothing_apart_finds_entries_all_the_same() -> None:
    """A query of zeros, one close to it, and any query among vectors that are all the same, find as many as they ask for."""
    lists = filled()
    for query in (np.zeros((1, 16)), np.full((1, 16), 1e-36), np.full((1, 16), 1e30)):
        scores, slots = lists.search(query.astype(np.float32), 100, 20)
        assert len({*slots[0].tolist()} - {-1}) == 100
        assert np.allclose(scores, query.astype(np.float32) @ lists.vectors(slots[0]).T)
    same = np.full((50, 16), 0.1, np.float32)
    twins = FourBits(shape_for(Dial(1, "sq4", deep=2.0), same))
    twins.put(np.arange(50), twins.assigned(same), twins.encoded(same))
    for query in (mixture(3, 30).queries(1), np.zeros((1, 16), np.float32)):
        assert {*twins.search(query, 50, 1)[1][0].tolist()} == {*range(50)}


def test_how_deep_is_found_out() -> None:
    """The share that is told is what searches of that depth find of what the lists hold, and the depth is the least that does."""
    lists, queries = filled(), mixture(3, 30).queries(60)
    lists.deepen(ALL)
    whole = lists.search(queries, 100, 6)[1]
    deep, share = depth_for(Sides(lists), queries, 100, 6)
    lists.deepen(deep)
    found = lists.search(queries, 100, 6)[1]
    assert np.mean([len({*own} & {*all_}) / 100 for own, all_ in zip(found, whole, strict=True)]) == pytest.approx(
        share, abs=0.005
    )
    assert share > 0.985
    assert deep < 8


def test_centroids_move_under_entries() -> None:
    """Entries of a list with another centroid are found as before, by codes of how they differ from the new one."""
    lists, queries = filled(1.0), mixture(3, 30).queries(20)
    before = lists.search(queries, 50, 20)[1]
    numbers = np.arange(0, 20, 3)
    lists.recentre(numbers, -lists.centroids[numbers])
    lists.recentre(numbers, -lists.centroids[numbers])
    assert np.array_equal(lists.search(queries, 50, 20)[1], before)
    lists.recentre(numbers, lists.centroids[numbers] * 0.9)
    assert np.mean(np.sort(lists.search(queries, 50, 20)[1]) == np.sort(before)) > 0.5


def test_levels_are_learnt_again_when_vectors_have_left_them() -> None:
    """An index whose vectors all became others, far beyond its levels, is laid out anew when it settles, and finds them."""
    index, made = FaissIndex(16, "dot", IndexPolicy(copies=1)), mixture(5, 30)
    numbers = list(range(2_000))
    index.upsert(batch(numbers, made.items(2_000)))
    index.settle(lambda: made.queries(50), Dial(codec="sq4", chosen=True))
    index.upsert(batch(numbers, made.items(2_000) * 100 + 300))
    assert index.recall(made.queries(20), 100) < 0.9
    index.settle(lambda: made.queries(50))
    assert (index.dial.codec, index.dial.chosen) == ("sq4", True)
    assert index.recall(made.queries(20), 100) > 0.97
