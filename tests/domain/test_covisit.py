"""What is had together, counted and told in few dimensions."""

from collections import defaultdict
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain import covisit
from ratoon.domain.covisit import FADE, HEARD, IDS, OFFERED, REACH, SHRUNK, Covisits
from ratoon.domain.errors import StoreError

COUNT = 6
VISITS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, COUNT - 1)), max_size=60)


def counted(visits: list[tuple[int, int]]) -> dict[tuple[int, int], float]:
    near: defaultdict[tuple[int, int], float] = defaultdict(float)
    for user in range(4):
        items = [item for who, item in visits if who == user]
        for place, item in enumerate(items):
            for back in range(1, min(REACH, place) + 1):
                if items[place - back] != item:
                    for pair in ((items[place - back], item), (item, items[place - back])):
                        near[pair] += FADE ** (back - 1)
    along = [sum(value for (row, _), value in near.items() if row == item) for item in range(COUNT)]
    return {pair: value / (sqrt(along[pair[0]] * along[pair[1]]) + SHRUNK) for pair, value in near.items()}


@given(VISITS)
def test_pairs_are_what_stands_near_each_other(visits: list[tuple[int, int]]) -> None:
    """Each pair counts by how many places are between its items, in either order, relative to how often each has neighbours."""
    users, items = (np.array([visit[side] for visit in visits], np.int64) for side in (0, 1))
    rows, columns, values = covisit.pairs(users, items, COUNT)
    found = {(int(row), int(column)): float(value) for row, column, value in zip(rows, columns, values, strict=True)}
    expected = counted(visits)
    assert found.keys() == expected.keys()
    assert all(found[pair] == pytest.approx(value, rel=1e-5) for pair, value in expected.items())


@given(VISITS)
def test_factors_of_full_rank_say_all(visits: list[tuple[int, int]]) -> None:
    """With as many dimensions as items the inner product of two sides is the pair's value."""
    users, items = (np.array([visit[side] for visit in visits], np.int64) for side in (0, 1))
    rows, columns, values = pairs = covisit.pairs(users, items, COUNT)
    heard, offered = covisit.factors(pairs, COUNT, COUNT, np.random.default_rng(0))
    dense = np.zeros((COUNT, COUNT), np.float32)
    dense[rows, columns] = values
    assert np.allclose(heard @ offered.T, dense, atol=1e-4)


def test_fewer_dimensions_keep_the_strongest() -> None:
    """Two groups that are had together are told apart by two dimensions, though there are many items."""
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(200), 6)
    items = np.concatenate([rng.permutation(10)[:6] + 10 * (user % 2) for user in range(200)])
    heard, offered = covisit.factors(covisit.pairs(users, items, 20), 20, 2, rng)
    scores = heard @ offered.T
    assert scores[:10, :10].min() > 5 * np.abs(scores[:10, 10:]).max()


def test_the_newest_of_a_history_weighs_most() -> None:
    """A side is the mean of the rows, each entry counting FADE of the next newer one; one user's is that of many."""
    factors = Covisits({"a": 0, "b": 1}, np.eye(2, dtype=np.float32), np.eye(2, dtype=np.float32))
    expected = np.array([[FADE, 1.0]]) / (1 + FADE)
    assert np.allclose(factors.told([0, 1]), expected)
    assert np.allclose(covisit.told([[0, 1], []], factors.heard), np.concatenate([expected, np.zeros((1, 2))]))
    assert not factors.told([]).any()


def test_factors_come_back_from_their_files() -> None:
    """What is written is read back, in half precision, each item with its row."""
    factors = Covisits({"b": 0, "ä": 1}, np.array([[0.5], [2.0]], np.float32), np.array([[1.0], [-3.0]], np.float32))
    read = Covisits.from_files(factors.to_files())
    assert dict(read.rows) == {"b": 0, "ä": 1}
    assert np.array_equal(read.heard, factors.heard)
    assert np.array_equal(read.offered, factors.offered)


@pytest.mark.parametrize("change", [{IDS: b'["a"]'}, {HEARD: b"no table"}, {OFFERED: None}])
def test_damaged_files_are_named(change: dict[str, bytes | None]) -> None:
    """A file that is missing, is no table or does not fit the others is refused with what to do."""
    whole = Covisits({"a": 0, "b": 1}, np.ones((2, 1), np.float32), np.ones((2, 1), np.float32)).to_files()
    with pytest.raises(StoreError, match="what is had together"):
        Covisits.from_files({name: data for name, data in {**whole, **change}.items() if data is not None})
