"""Lists that are mended where they were written to."""

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.rebuilding import double
from ratoon.index.ivf.sides import Sides
from ratoon.index.ivf.upkeep import Wear, apply, plan
from tests.index.mixtures import mixture

LISTS = 120


def batch(first: int, vectors: Vectors) -> EmbeddingBatch:
    """Items numbered from `first`."""
    ids = [f"i{number}" for number in range(first, first + len(vectors))]
    return EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids}))


@pytest.mark.parametrize("codec", ["flat", "fp16", "sq8", "sq4"])
def test_recall_holds_while_clusters_come_and_go(codec: str) -> None:
    """While new clusters take the place of all items in ten rounds, mended lists find what lists made anew do."""
    index = FaissIndex(16, "cosine", IndexPolicy(copies=2))
    index.upsert(batch(0, mixture(1, 40).items(6_000)))
    index.rebuild(Dial(LISTS, codec, nprobe=8))  # type: ignore[arg-type]  # parametrize gives strings
    stale, asked = index.copy(), []
    for number in range(10):
        new = mixture(10 + number, 4)
        asked.append(new.queries(20))
        vectors = new.items(600)
        for one in (index, stale):
            one.remove([f"i{item}" for item in range(600 * number, 600 * (number + 1))])
            one.upsert(batch(6_000 + 600 * number, vectors))
        steps = 0
        while index.upkeep():
            steps += 1
        assert steps < LISTS
    fresh = index.copy()
    fresh.rebuild(index.dial)
    queries = np.concatenate(asked)
    found = {name: one.recall(queries, 50) for name, one in (("stale", stale), ("mended", index), ("fresh", fresh))}
    assert found["mended"] > 0.98 * found["fresh"] > found["stale"] + 0.1
    assert index.upkeep() == 0
    assert index.ids() == stale.ids()
    assert np.array_equal(index.vectors(index.ids()), stale.vectors(index.ids()))


def test_both_copies_are_mended() -> None:
    """After upkeep and one change more, which makes the other copy live, that one has the same centroids and lists."""
    index = FaissIndex(16, "cosine", IndexPolicy(copies=2))
    index.upsert(batch(0, mixture(1, 40).items(3_000)))
    index.rebuild(Dial(LISTS, "fp16", nprobe=8))
    index.upsert(batch(0, mixture(2, 5).items(600)))
    assert index.upkeep() > 0
    one = index._layout.live
    index.overwrite(["i0"], index.vectors(["i0"]))
    other = index._layout.live
    assert one is not other
    assert np.array_equal(one.centroids, other.centroids)
    for number in range(LISTS):
        assert sorted(one.entries(number)[0].tolist()) == sorted(other.entries(number)[0].tolist())
    queries = mixture(2, 5).queries(5)
    assert np.array_equal(one.search(queries, 20, 8)[0], other.search(queries, 20, 8)[0])


def test_what_is_well_is_left_alone() -> None:
    """Nothing is mended where nothing was written, where the same vectors were written again, and where there is one list."""
    index = FaissIndex(16, "cosine")
    index.upsert(batch(0, mixture(1, 30).items(2_000)))
    assert index.upkeep() == 0
    index.rebuild(Dial(60, "flat", nprobe=4))
    assert index.upkeep() == 0
    before = index._layout.live.centroids.copy()
    index.upsert(batch(0, index.vectors([f"i{number}" for number in range(200)])))
    while index.upkeep():
        pass
    moved = np.abs(index._layout.live.centroids - before).max(axis=1) > 0
    assert np.count_nonzero(moved) < 12


def test_entries_too_alike_are_left_together() -> None:
    """Mending ends though one list holds hundreds of equal vectors, and all entries stay where they can be found."""
    vectors = mixture(3, 20).items(1_000)
    lists = Lists(shape_for(Dial(30, "flat"), vectors))
    lists.put(np.arange(1_000), lists.assigned(vectors), lists.encoded(vectors))
    wear = Wear(lists.nlist)
    same = np.repeat(-vectors[:1], 500, axis=0)
    lists.put(np.arange(500), lists.assigned(same), lists.encoded(same))
    wear.put(np.arange(500), lists.assigned(same))
    steps = 0
    while (mending := plan(lists, wear)) is not None:
        apply(lists, mending)
        steps += 1
        assert steps < 50
    assert len(lists) == 1_000
    near = lists.search(-vectors[:1], 500, 1)[1]
    assert sorted(near[0].tolist()) == list(range(500))


def test_the_second_copy_is_made_like_the_live_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written while the second copy was made anew lies in the list where the live one has it."""
    index = FaissIndex(16, "cosine", IndexPolicy(copies=2))
    index.upsert(batch(0, mixture(1, 40).items(3_000)))
    rng = np.random.default_rng(1)
    monkeypatch.setattr(Lists, "assigned", lambda lists, vectors: rng.integers(0, lists.nlist, len(vectors)))

    def disturbed(sides: Sides, into: Lists) -> None:
        double(sides, into)
        index.upsert(batch(2_900, mixture(2, 5).items(300)))
        index.remove(["i5", "i3100"])

    monkeypatch.setattr("ratoon.index.ivf.layout.double", disturbed)
    index.rebuild(Dial(LISTS, "fp16", nprobe=8))
    live, spare = index._layout.live, index._layout._sides.lend()
    assert spare is not None
    assert len(live) == len(spare) == 3_198
    slots = live.held_slots()
    assert np.array_equal(slots, spare.held_slots())
    assert np.array_equal(live.place(slots), spare.place(slots))
    assert np.array_equal(live.vectors(slots), spare.vectors(slots))
