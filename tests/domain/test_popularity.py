"""Traits count what they say at every moment, and weights are those that fit rows speak for."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain import popularity
from ratoon.domain.popularity import GRID, WIDTH, Popularity, Timeline, ever, ever_of, gains, traits

Rows = list[tuple[int, str, str]]

ROWS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from("uvw"), st.sampled_from("abcd")), max_size=40)


def placed(rows: Rows) -> Rows:
    """The rows with their first number taken for the distance to the row before."""
    offsets = np.cumsum([step for step, _, _ in rows]).tolist()
    return [(offset, user, item) for offset, (_, user, item) in zip(offsets, rows, strict=True)]


def firsts(rows: Rows) -> Rows:
    """Of each user's rows with an item the first."""
    return [row for place, row in enumerate(rows) if not any(row[1:] == before[1:] for before in rows[:place])]


@settings(deadline=None, max_examples=80)
@given(ROWS, st.lists(st.integers(0, 100), min_size=1, max_size=5), st.data())
def test_a_timeline_counts_like_a_person(rows: Rows, moments: list[int], data: st.DataObject) -> None:
    """Below any offset, an item's counts are those of going through the newest interactions one by one."""
    rows = placed(rows)
    made = Timeline.of(rows)
    codes = np.array(data.draw(st.lists(st.sampled_from(range(len(made.items))), unique=True)) if made.items else [], np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(popularity, "WINDOWS", (3, 10))
        recent, counted = made.recent(np.array(moments), codes), made.counted(np.array(moments), codes)
    for number, moment in enumerate(moments):
        before = [row for row in rows if row[0] < moment]
        for place, code in enumerate(codes):
            counting = [row for row in before if row in firsts(rows)]
            found = [sum(row[2] == made.items[code] for row in counting[-wide:]) for wide in (3, 10)]
            assert recent[number, place].tolist() == found
            assert counted[number, place] == sum(row[2] == made.items[code] for row in counting)


@settings(deadline=None, max_examples=80)
@given(ROWS, st.integers(0, 100), st.integers(0, 100))
def test_what_is_not_touched_does_not_change(rows: Rows, one: int, other: int) -> None:
    """Between two moments only touched items have other counts."""
    start, stop = sorted((one, other))
    made = Timeline.of(placed(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(popularity, "WINDOWS", (3, 10))
        every = np.arange(len(made.items))
        recent, counted = made.recent(np.array([start, stop]), every), made.counted(np.array([start, stop]), every)
        touched = set(made.touched(start, stop).tolist())
    moved = (recent[0] != recent[1]).any(axis=1) | (counted[0] != counted[1])
    assert {int(code) for code in np.flatnonzero(moved)} <= touched


def test_nobody_makes_a_fashion_alone() -> None:
    """A hundred clicks of one user on one item count once; of a hundred users, a hundred times."""
    alone = Timeline.of([(number, "u", "a") for number in range(1, 101)])
    many = Timeline.of([(number, f"u{number}", "a") for number in range(1, 101)])
    counts = [made.recent(np.array([101]), np.array([0]))[0, 0, 0] for made in (alone, many)]
    assert counts == [1, 100]


def test_what_is_left_out_is_not_popular() -> None:
    """Interactions in a range that must not be learnt from count for nothing."""
    made = Timeline.of([(1, "u", "a"), (2, "v", "b"), (3, "w", "c")], left_out=[(2, 2)])
    assert (made.items, made.offsets.tolist()) == (("a", "c"), [1, 3])


def test_traits_tell_new_items_from_unpopular_ones() -> None:
    """The last trait is one for an item nobody has had, and counts can be read back from the one before it."""
    counts = np.array([0, 1, 7, 40_000])
    made = traits(np.zeros((4, 2), np.int64), counts)
    assert made.shape == (4, WIDTH)
    assert made[:, -1].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert ever_of(made).tolist() == counts.tolist()


def test_everyone_counts_once_ever() -> None:
    """The count of ever is of users, with nothing for an item without any."""
    rows = pa.table({"user_id": ["u", "u", "v", "v"], "item_id": ["a", "a", "a", "b"]})
    assert ever(["b", "c", "a"], rows).tolist() == [1, 0, 2]


def test_a_gain_is_that_of_the_rank() -> None:
    """With a weight that lifts the wanted item to the top its gain is 1; where two stay ahead, 1 / log2(4); beyond k none."""
    scores, known = np.array([0.9, 0.8, 0.1], np.float32), np.zeros((3, WIDTH), np.float32)
    known[2, 0] = 10.0
    found = gains(scores, known, 2, 1.0, 3)
    assert found[0] == pytest.approx(0.5)
    assert found[np.flatnonzero(GRID[:, 0] == 2)].tolist() == pytest.approx([1.0] * int((GRID[:, 0] == 2).sum()))
    assert gains(scores, known, 2, 1.0, 2)[0] == 0.0


def test_weights_follow_the_evidence_and_forget_it() -> None:
    """The point that ranked fit rows best is used, times the unit; after enough rows that say otherwise another one is."""
    first, second = np.zeros((50, len(GRID))), np.zeros((4_000, len(GRID)))
    first[:, 100], second[:, 7] = 1.0, 0.5
    prior = Popularity(0.1).learnt(first)
    assert np.allclose(prior.weights, GRID[100] * 0.1)
    later = prior.learnt(second)
    assert np.allclose(later.weights, GRID[7] * 0.1)
    assert max(later.evidence) == pytest.approx(2_000.0)
    assert Popularity.from_json(later.to_json()) == later


def test_without_evidence_or_leave_popularity_is_worth_nothing() -> None:
    """Weights are zero before any fit row, where all points rank alike, and where the gate rows were better off without."""
    alike = Popularity(0.1).learnt(np.ones((10, len(GRID))))
    one = np.zeros((10, len(GRID)))
    one[:, 100] = 1.0
    off = Popularity(0.1, active=False).learnt(one)
    for prior in (Popularity(0.1), alike, off):
        assert not prior.weights.any()
