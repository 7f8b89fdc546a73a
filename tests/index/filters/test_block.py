"""Vectors side by side: what is found among them, and how they follow what becomes of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import Vectors
from ratoon.index.filters import block
from ratoon.index.filters.block import Block, Growing
from ratoon.index.filters.matches import Matches
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.lists import Lists

DIM = 5
NOTHING = np.empty(0, np.int64)


def drawn(count: int, seed: int = 0) -> Vectors:
    """Vectors, some of which are equal."""
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    rows[1::3] = rows[: len(rows[1::3])]
    return rows


def lists(vectors: Vectors) -> Lists:
    """These in slots 0, 1, ..."""
    made = Lists(shape_for(Dial(lists=4, codec="flat", nprobe=1), vectors))
    made.put(np.arange(len(vectors)), made.assigned(vectors), made.encoded(vectors))
    return made


@given(
    count=st.sampled_from([1, 9, 200, 3_000]),
    k=st.integers(1, 80),
    out=st.sets(st.integers(0, 2_999), max_size=90),
    gone=st.sets(st.integers(0, 2_999), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_the_best_and_all_that_tie(count: int, k: int, out: set[int], gone: set[int]) -> None:
    """Of rows that are there and slots that are not excluded the k best come, and what equals the last, with float64's scores."""
    vectors, slots = drawn(count), np.random.default_rng(1).permutation(count) + 7
    rows = np.array(sorted(row for row in gone if row < count), np.int64)
    made = Block(vectors, slots, rows, float(np.linalg.norm(vectors, axis=1).max()))
    query = np.random.default_rng(2).standard_normal(DIM).astype(np.float32)
    scores, found = made.best(query, k, np.array(sorted(out), np.int64))
    exact = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
    there = {int(slots[row]): exact[row] for row in range(count) if row not in gone and int(slots[row]) not in out}
    least = sorted(there.values())[-k] if k <= len(there) else -np.inf
    assert sorted(found.tolist()) == sorted(slot for slot, score in there.items() if score >= least)
    assert scores.tolist() == [there[slot] for slot in found.tolist()] == sorted(scores.tolist(), reverse=True)


def test_it_is_filled_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many at a time are taken in, nothing is given before all are, and what is given then are the vectors in the lists."""
    monkeypatch.setattr(block, "PIECE", 100)
    vectors = drawn(700)
    made, truth = lists(vectors), np.arange(700) % 2 == 0
    growing = Growing(Matches.of(truth), 0, made)
    assert [growing.grow(made) for _ in range(3)] == [None] * 3
    whole = growing.grow(made)
    assert whole is not None
    assert sorted(whole.slots.tolist()) == np.flatnonzero(truth).tolist()
    assert np.array_equal(whole.vectors, vectors[whole.slots])
    assert whole.longest == pytest.approx(np.linalg.norm(vectors[truth], axis=1).max())


STEPS = st.lists(st.dictionaries(st.integers(0, 39), st.tuples(st.integers(0, 9), st.booleans()), min_size=1), max_size=8)


@given(steps=STEPS, piece=st.sampled_from([2, 7, 100]))
@settings(deadline=None)
def test_it_follows(steps: list[dict[int, tuple[int, bool]]], piece: int) -> None:
    """After any edits, before it was whole or after, it holds what matches as it is; who looked before sees what there was."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(block, "PIECE", piece)
        pool = drawn(10, 3)
        vectors = pool[np.arange(40) % 10].copy()
        made, truth = lists(vectors), np.arange(40) % 2 == 0
        growing = Growing(Matches.of(truth), 0, made)
        before: list[tuple[Block, Vectors]] = []
        for step in steps:
            slots = np.array(sorted(step), np.int64)
            vectors[slots] = pool[[step[slot][0] for slot in slots.tolist()]]
            truth[slots] = [step[slot][1] for slot in slots.tolist()]
            made.put(slots, made.assigned(vectors[slots]), made.encoded(vectors[slots]))
            growing.follow(Matches.of(truth), np.append(slots, slots))
            if growing.crowded:
                growing = Growing(Matches.of(truth), 0, made)
            found = growing.grow(made)
            if found is not None:
                left = np.delete(np.arange(len(found.slots)), found.gone)
                assert sorted(found.slots[left].tolist()) == np.flatnonzero(truth).tolist()
                assert np.array_equal(found.vectors[left], vectors[found.slots[left]])
                before.append((found, found.vectors.copy()))
        assert all(np.array_equal(one.vectors, then) for one, then in before)


def test_what_is_not_in_the_lists_is_not_taken_in() -> None:
    """An item whose columns are there before its vector is left out until it has one."""
    vectors = drawn(10)
    made = lists(vectors)
    growing = Growing(Matches.of(np.ones(12, np.bool_)), 0, made)
    whole = growing.grow(made)
    assert whole is not None
    assert sorted(whole.slots.tolist()) == list(range(10))
    made.put(np.array([11]), made.assigned(vectors[:1]), made.encoded(vectors[:1]))
    growing.follow(growing.matches, np.array([11]))
    whole = growing.grow(made)
    assert whole is not None
    assert whole.slots.tolist()[-1] == 11
