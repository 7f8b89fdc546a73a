"""Entries that come, move and go in FAISS's own lists, against a dict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.dial import Codec, Dial
from ratoon.domain.embedding import Vectors
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.fours import lists_of
from ratoon.index.ivf.lists import Lists

DIM = 6


def drawn(rng: np.random.Generator, count: int) -> Vectors:
    """Random vectors, shape (count, DIM)."""
    return rng.standard_normal((count, DIM)).astype(np.float32)


def empty(codec: Codec, lists: int) -> Lists:
    """Lists around random centroids."""
    return lists_of(shape_for(Dial(lists, codec), drawn(np.random.default_rng(7), 500)))


def put(lists: Lists, slots: np.ndarray, vectors: Vectors) -> None:
    """Write vectors where they belong."""
    lists.put(slots, lists.assigned(vectors), lists.encoded(vectors))


@pytest.mark.parametrize("codec", ["flat", "fp16", "sq8", "sq4"])
@pytest.mark.parametrize("count", [1, 9])
@given(seed=st.integers(0, 2**32), steps=st.lists(st.booleans(), min_size=1, max_size=30))
@settings(max_examples=15)
def test_any_puts_and_drops(codec: Codec, count: int, seed: int, steps: list[bool]) -> None:
    """After any puts into new and held slots and drops of held and absent ones the lists hold, and find, what a dict holds."""
    rng, lists, model = np.random.default_rng(seed), empty(codec, count), dict[int, Vectors]()
    for putting in steps:
        slots = rng.choice(90, rng.integers(0, 40), replace=False)
        if putting:
            vectors = drawn(rng, len(slots))
            put(lists, slots, vectors)
            model |= dict(zip(slots.tolist(), lists.decoded(lists.encoded(vectors)).copy(), strict=True))
        else:
            lists.drop(slots)
            for slot in slots.tolist():
                model.pop(slot, None)
    assert len(lists) == len(model) == lists.sizes().sum()
    assert np.flatnonzero(lists.has(np.arange(300))).tolist() == sorted(model)
    held = lists.held()
    assert {slot: row.tobytes() for slot, row in zip(held.slots.tolist(), held.vectors, strict=True)} == {
        slot: row.tobytes() for slot, row in model.items()
    }
    placed = lists.place(held.slots)
    # A vector on the border may have been rounded to the other side.
    assert np.count_nonzero(lists.assigned(held.vectors) != placed) <= 3 + len(placed) // 10
    for other in (lists, lists.copy()):
        assert other.vectors(np.array(sorted(model), np.int64)).tobytes() == b"".join(
            model[slot].tobytes() for slot in sorted(model)
        )
        query = drawn(rng, 1)
        scores, slots = other.search(query, 5, count)
        best = sorted((float(query[0] @ row) for row in model.values()), reverse=True)[:5]
        np.testing.assert_allclose(scores[0, : len(best)], best, rtol=1e-3, atol=1e-3)
        assert (slots[0, len(best) :] == -1).all()


def test_no_query_looks_into_the_lobby() -> None:
    """However many lists are looked at, what has been dropped is not found, nor what is not looked at."""
    lists, vectors = empty("fp16", 4), drawn(np.random.default_rng(1), 50)
    put(lists, np.arange(50), vectors)
    lists.drop(np.arange(0, 50, 2))
    found = lists.search(vectors, 50, 99)[1]
    assert set(found.ravel().tolist()) == {-1, *range(1, 50, 2)}
    found = lists.search(vectors, 50, 99, without=np.arange(40))[1]
    assert set(found.ravel().tolist()) == {-1, 41, 43, 45, 47, 49}


def test_a_copy_is_apart() -> None:
    """What is put into a copy, or its centroids moved to, is not in the original."""
    lists, vectors = empty("flat", 3), drawn(np.random.default_rng(2), 20)
    put(lists, np.arange(20), vectors)
    other = lists.copy()
    put(other, np.arange(20), -vectors)
    other.recentre(np.array([1]), np.zeros((1, DIM), np.float32))
    assert lists.vectors(np.arange(20)).tobytes() == vectors.tobytes()
    assert lists.shape.centroids[1].any()
    assert not other.shape.centroids[1].any()


def test_many_at_once_are_one_after_the_other() -> None:
    """Loading many new entries, with memory taken before or without, leaves them in the lists that were said."""
    vectors, where = drawn(np.random.default_rng(3), 200), np.random.default_rng(4).integers(0, 5, 200)
    one, other = empty("fp16", 5), empty("fp16", 5)
    one.put(np.arange(200), where, one.encoded(vectors))
    other.reserve(np.bincount(where, minlength=5))
    other.load(np.arange(200), where, other.encoded(vectors))
    for number in range(5):
        assert sorted(one.entries(number)[0].tolist()) == sorted(other.entries(number)[0].tolist())
    assert one.vectors(np.arange(200)).tobytes() == other.vectors(np.arange(200)).tobytes()
