"""Entries that are gone through, and carried into other lists, while they change."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from ratoon.domain.dial import Codec, Dial
from ratoon.domain.embedding import Vectors
from ratoon.index.ivf import rebuilding
from ratoon.index.ivf.blocks import Block, blocks
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.fours import lists_of
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.rebuilding import carry, give_back
from ratoon.index.ivf.sides import Sides
from tests.index.mixtures import mixture

VECTORS = mixture(1, 30).items(3_000)


def lists(count: int, codec: Codec, vectors: Vectors = VECTORS) -> Lists:
    """Lists that hold nothing yet."""
    return lists_of(shape_for(Dial(count, codec), vectors))


def filled(count: int, codec: Codec) -> Sides:
    """All vectors, by number."""
    made = lists(count, codec)
    made.put(np.arange(len(VECTORS)), made.assigned(VECTORS), made.encoded(VECTORS))
    return Sides(made)


@pytest.mark.parametrize("count", [1, 2, 70])
@pytest.mark.parametrize("size", [7, 500, 10_000])
def test_what_stays_is_met_once(count: int, size: int) -> None:
    """Every entry that is not written to is met once, in its list, though others change places around it all the time."""
    sides, rng = filled(count, "fp16"), np.random.default_rng(size)
    met: dict[int, int] = {}
    for slots, codes, places in blocks(sides, size):
        assert len(slots) == len(codes) == len(places) < 2 * size
        kept = slots % 3 > 0
        assert not set(slots[kept].tolist()) & set(met)
        assert sides.live.place(slots[kept]).tolist() == places[kept].tolist()
        assert np.array_equal(sides.live.decoded(codes[kept]), sides.live.vectors(slots[kept]))
        met |= dict(zip(slots[kept].tolist(), places[kept].tolist(), strict=True))
        some = 3 * rng.integers(0, 1_000, 20)
        sides.change(partial(Lists.drop, slots=some))
    assert sorted(met) == [slot for slot in range(3_000) if slot % 3]


@pytest.mark.parametrize(
    ("codec", "into"),
    [("flat", "fp16"), ("fp16", "fp16"), ("sq8", "sq8"), ("fp16", "flat"), ("flat", "sq4"), ("sq4", "sq4"), ("sq4", "fp16")],
)
def test_what_is_carried_is_what_was_there(codec: Codec, into: Codec) -> None:
    """Every vector lies in the list whose centroid is nearest to it, as near to what it was as the codec allows."""
    sides, fresh = filled(9, codec), lists(40, into)
    before = fresh.centroids.copy()
    carry(sides, fresh)
    found, were = fresh.vectors(np.arange(3_000)), sides.live.vectors(np.arange(3_000))
    if into != "sq8":
        assert np.array_equal(found, fresh.decoded(fresh.encoded(were)))
    np.testing.assert_allclose(found, were, atol=0.01)
    assert len(fresh) == 3_000
    assert np.mean(fresh.place(np.arange(3_000)) == fresh.assigned(were)) > 0.99
    assert not np.array_equal(before, fresh.centroids)


def test_all_vectors_centre_the_lists() -> None:
    """Lists made for a few of the vectors lie nearer to all of them after these were carried there."""
    sides, fresh = filled(1, "flat"), lists(40, "flat", VECTORS[:200])
    before = np.square(VECTORS - fresh.centroids[fresh.assigned(VECTORS)]).sum()
    carry(sides, fresh)
    after = np.square(VECTORS - fresh.centroids[fresh.assigned(VECTORS)]).sum()
    assert after < 0.95 * before


def test_what_moves_while_it_is_carried_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that go from list to list, come or go between two looks are carried once, as they were, or not at all."""
    sides, fresh = filled(50, "fp16"), lists(30, "fp16")
    rng, whole = np.random.default_rng(2), blocks

    def moving(one: Sides, _: int) -> Iterator[Block]:
        for block in whole(one, 200):
            yield block
            some = rng.choice(3_200, 40, replace=False)
            one.change(
                partial(Lists.put, slots=some, lists=rng.integers(0, 50, 40), codes=np.zeros_like(block[1][:1]).repeat(40, 0))
            )

    monkeypatch.setattr(rebuilding, "blocks", moving)
    carry(sides, fresh)
    slots = np.concatenate([fresh.entries(number)[0] for number in range(30)])
    assert len(slots) == len(set(slots.tolist())) == len(fresh)
    assert np.array_equal(np.sort(slots), fresh.held_slots())
    stayed = np.arange(3_000)[sides.live.vectors(np.arange(3_000)).any(axis=1)]
    assert len(stayed) > 100
    assert np.array_equal(fresh.vectors(stayed), sides.live.vectors(stayed))


def test_memory_is_given_back_anywhere() -> None:
    """Giving back what nobody holds does nothing to what is held."""
    sides = filled(5, "fp16")
    before = sides.live.vectors(np.arange(3_000))
    give_back()
    assert np.array_equal(sides.live.vectors(np.arange(3_000)), before)
