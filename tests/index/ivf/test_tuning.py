"""How many lists are looked at for a share of the exact answers."""

from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.dial import Codec, Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import DataError, UsageError
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.fours import lists_of
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.sides import Sides
from ratoon.index.ivf.tuning import probes_for, share_of
from ratoon.index.sampling import EVERY, KEPT
from ratoon.ports import Files
from tests.index.mixtures import mixture


@cache
def laid() -> Files:
    """4,000 items in 126 lists."""
    index = FaissIndex(16, "cosine", IndexPolicy(k=20, exact=1_000))
    vectors = mixture(1, 50).items(4_000)
    ids = [f"i{number}" for number in range(4_000)]
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids})))
    index.rebuild()
    return index.snapshot()


def filled(recall: float, copies: int = 1) -> FaissIndex:
    """`laid`, under a policy."""
    return FaissIndex.load(laid(), IndexPolicy(recall=recall, k=20, exact=1_000, copies=2 if copies == 2 else 1))


def test_as_few_lists_as_find_the_share() -> None:
    """Other queries than those it was tuned by find the share, too; a smaller one takes fewer lists, all of it needs many."""
    asked, others = mixture(1, 50).queries(300), mixture(1, 50).queries(600)[300:]
    dials = []
    for recall in (0.5, 0.9, 0.999):
        index = filled(recall)
        dials.append(index.tune(asked))
        assert index.dial == dials[-1]
        assert dials[-1].lists == 126
        assert recall <= (dials[-1].recall or 0) <= 1
        assert index.recall(others, 20) > recall - 0.02
    assert dials[0].nprobe < dials[1].nprobe < dials[2].nprobe < 126
    fewer = FaissIndex.load(index.snapshot(), index.policy)
    fewer.rebuild(Dial(126, "fp16", dials[2].nprobe - 1))
    assert fewer.recall(asked, 20) < 0.9999


def test_rebuilding_for_queries_tunes_too() -> None:
    """A rebuild that is told what will be asked says what share of it is found; without, nothing has been asked."""
    index = filled(0.9)
    assert index.dial.recall is None
    assert (index.rebuild(queries=mixture(1, 50).queries(100)).recall or 0) >= 0.9


def test_what_settles() -> None:
    """Settling lays out anew what has outgrown its layout, mends what has not, and leaves few items in one list."""
    index, asked = filled(0.9), mixture(1, 50).queries(100)
    index.remove(f"i{number}" for number in range(3_700))
    assert index.settle(lambda: asked) == Dial()
    ids = [f"n{number}" for number in range(2_000)]
    index.upsert(EmbeddingBatch(tuple(ids), mixture(2, 50).items(2_000), pa.table({"item_id": ids})))
    dial = index.settle(lambda: asked)
    assert (dial.lists, dial.codec) == (96, "fp16")
    index.upsert(EmbeddingBatch(tuple(ids[:600]), mixture(7, 9).items(600), pa.table({"item_id": ids[:600]})))
    settled = index.settle(lambda: asked)
    assert settled.lists == 96
    assert (settled.recall or 0) >= 0.9
    assert index.upkeep() == 0


@pytest.mark.parametrize("codec", ["flat", "fp16", "sq8", "sq4"])
def test_the_share_is_what_searches_find(codec: Codec) -> None:
    """For any number of lists the share that is told is the one that searches find, and the fewest lists are the fewest."""
    made = mixture(3, 30)
    items, queries = made.items(5_000), made.queries(60)
    lists = lists_of(shape_for(Dial(80, codec), items, queries))
    lists.put(np.arange(5_000), lists.assigned(items), lists.encoded(items))
    scores = np.sort(queries @ lists.vectors(np.arange(5_000)).T, axis=1)
    for k in (1, 50, 700):
        for probes in (1, 2, 5, 30, 80, 99):
            found, _ = lists.search(queries, k, probes)
            shares = np.mean(found >= scores[:, -k, None] - 1e-5, axis=1)
            mean, error = share_of(Sides(lists), queries, k, probes)
            # What reads too little before it is put in order by the vectors themselves may miss a few more.
            assert mean == pytest.approx(shares.mean(), abs=1e-2 if codec == "sq4" else 2e-3)
            assert error == pytest.approx(shares.std() / 60**0.5, abs=1e-3)
        fewest, share = probes_for(Sides(lists), queries, k, 0.8)
        for probes, enough in ((fewest, True), (fewest - 1, False)):
            mean, error = share_of(Sides(lists), queries, k, probes) if probes else (0.0, 0.0)
            assert (mean - error >= 0.8) == enough
        assert share == share_of(Sides(lists), queries, k, fewest)[0]
    assert probes_for(Sides(lists), queries, 50, 1.1) == (80, 1.0)


def test_what_is_excluded_is_no_answer() -> None:
    """Where queries must not be answered with some items, the share is that of the best of the others."""
    made = mixture(3, 30)
    items, queries = made.items(5_000), made.queries(40)
    lists = lists_of(shape_for(Dial(80, "flat"), items, queries))
    lists.put(np.arange(5_000), lists.assigned(items), lists.encoded(items))
    gone = [lists.search(query[None], 60, 3)[1][0][:: 2 + row % 3] for row, query in enumerate(queries)]
    shares = []
    for query, out in zip(queries, gone, strict=True):
        scores = items @ query
        scores[out] = -np.inf
        found = lists.search(query[None], 50 + len(out), 3)[1][0]
        found = found[(found >= 0) & ~np.isin(found, out)][:50]
        shares.append(np.mean(scores[found] >= np.sort(scores)[-50] - 1e-5) * len(found) / 50)
    mean, error = share_of(Sides(lists), queries, 50, 3, gone)
    assert mean == pytest.approx(np.mean(shares), abs=2e-3)
    assert error == pytest.approx(np.std(shares) / 40**0.5, abs=1e-3)
    assert mean < share_of(Sides(lists), queries, 50, 3)[0] - 0.01
    least = (mean + share_of(Sides(lists), queries, 50, 3)[0]) / 2 - error
    assert probes_for(Sides(lists), queries, 50, least, gone)[0] > probes_for(Sides(lists), queries, 50, least)[0]


def test_equal_items_count_as_often_as_they_are_among_the_best() -> None:
    """Where the k best end amid equal items the share is that of one choice of them, whatever order they come in."""
    items = np.repeat(np.eye(2, dtype=np.float32), [30, 5_000], axis=0)
    lists = lists_of(shape_for(Dial(2, "flat"), items))
    where = (np.arange(5_030) >= 30).astype(np.int64)
    lists.put(np.arange(5_030), where, lists.encoded(items))
    query = np.array([[1, 0.5]], np.float32)
    first = int(lists.nearest_first(query)[0, 0])
    assert share_of(Sides(lists), query, 100, 1) == ([0.3, 0.7][first], 0.0)
    assert share_of(Sides(lists), query, 100, 2) == (1.0, 0.0)
    assert probes_for(Sides(lists), query, 6_000, 0.9) == ([2, 1][first], [1.0, 5_000 / 5_030][first])


def test_items_stand_for_queries_that_nobody_knows() -> None:
    """Where nobody has asked anything yet, lists are looked at as if items were asked for."""
    index = filled(0.9)
    dial = index.tune(np.empty((0, 16), np.float32))
    assert dial.nprobe > 1
    assert (dial.recall or 0) >= 0.9


def test_queries_of_another_length_are_refused() -> None:
    """Tuning by queries of another tower is refused by their shape."""
    with pytest.raises(DataError, match=r"queries: expected shape \(n, 16\), found \(3, 4\)"):
        filled(0.9).tune(np.ones((3, 4), np.float32))


def test_an_empty_index_settles() -> None:
    """Nothing is there to be found, and that is all of it."""
    index = FaissIndex(16, "cosine")
    assert index.settle(lambda: mixture(1, 5).queries(3)) == Dial()
    assert index.tune(mixture(1, 5).queries(3)).recall == 1.0
    told = {"lists": 1, "codec": "flat", "nprobe": 1, "recall": 1.0, "deep": 1.0, "chosen": False}
    assert index.stats() == {"items": 0, "copies": 1, **told, "largest": 0.0}


def test_what_searches_find_is_watched() -> None:
    """The newest of the queries that were asked tell what share is found; if that is too little, more lists are looked at."""
    index, asked = filled(0.9, copies=2), mixture(1, 50).queries(120)
    assert index.probe() is None
    index.tune(asked)
    for row in range(100):
        index.search(asked[row : row + 1], 5)
    assert index._asked_lately.asked()[0].tolist() == [asked[49].tolist(), asked[99].tolist()]
    assert index.probe() is None
    before = index.dial.nprobe
    for row in range(EVERY * KEPT):
        index.search(asked[row % 120 : row % 120 + 1], 5)
    assert len(index._asked_lately.asked()[0]) == KEPT
    assert (index.probe() or 0) > 0.88
    assert index.dial.nprobe <= before + 2
    index._layout.dial = replace(index.dial, nprobe=1)
    assert 0 < (index.probe() or 0) < 0.8
    assert index.dial.nprobe > 1
    assert (index.dial.recall or 0) >= 0.9
    assert (index.probe() or 0) >= 0.9
    for row in range(EVERY * KEPT):
        index.search(asked[row % 120 : row % 120 + 1], 5, [{f"i{row % 7}", "nobody"}])
    assert index._asked_lately.asked()[1][0] in {(f"i{row}", "nobody") for row in range(7)} | {
        ("nobody", f"i{row}") for row in range(7)
    }
    assert (index.probe() or 0) >= 0.88


def test_a_rebuild_is_tuned_before_it_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment that other lists are live as many are looked at as find the share; more lists than items are refused."""
    index, asked = filled(0.95, copies=2), mixture(1, 50).queries(200)
    seen, whole = list[Dial](), Sides.replace

    def replaced(sides: Sides, lists: Lists) -> None:
        whole(sides, lists)
        seen.append(index.dial)

    monkeypatch.setattr(Sides, "replace", replaced)
    assert seen == [] != [index.rebuild(Dial(500, "fp16", 1), asked)]
    assert seen == [index.dial]
    assert (index.dial.recall or 0) >= 0.95
    with pytest.raises(UsageError, match="dial.lists: expected at most as many lists as items, found 5000 for 4000 items"):
        index.rebuild(Dial(5_000, "fp16"))
    assert index.stats()["copies"] == 2
