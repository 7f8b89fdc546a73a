"""A replay sample depends on the seed and on the rows themselves, and on nothing else."""

from datetime import UTC, datetime
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.replay import LEAST_DENSE, Draw, Ints, places, to_replay

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MICROS = int(NOW.timestamp()) * 1_000_000
DAY = 86_400
STEP = 0x9E3779B97F4A7C15 - 2**64
"""What SplitMix64 adds to its state at each step, as a signed integer."""
HALF_LIVES = st.sampled_from([None, 1e-3, 3_600.0, 30.0 * DAY])


def sample(draw: Draw, offsets: Ints, times: Ints) -> set[int]:
    return set(offsets[draw.first(draw.keys(offsets, times), offsets)].tolist())


def history(size: int) -> tuple[Ints, Ints]:
    """Interactions ten seconds apart, the newest an hour before NOW."""
    offsets = np.arange(1, size + 1)
    return offsets, MICROS - 3_600_000_000 - (size - offsets) * 10_000_000


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 10**12), unique=True, min_size=1, max_size=60),
    st.integers(0, 70),
    st.integers(0, 2**62),
    HALF_LIVES,
    st.randoms(use_true_random=False),
)
def test_only_the_rows_themselves_decide(rows: list[int], count: int, seed: int, half_life: float | None, order: Random) -> None:
    """Order changes nothing; a larger sample holds the smaller; without some rows the others' keys and places in it stay."""
    draw = Draw(count, seed, NOW, half_life)
    offsets = np.array(rows)
    times = MICROS - offsets * 1_000
    drawn = sample(draw, offsets, times)
    assert len(drawn) == min(count, len(rows))
    order.shuffle(rows)
    again = np.array(rows)
    assert sample(draw, again, MICROS - again * 1_000) == drawn
    assert drawn <= sample(Draw(count + 1, seed, NOW, half_life), offsets, times)
    rest = offsets % 3 > 0
    assert np.array_equal(draw.keys(offsets[rest], times[rest]), draw.keys(offsets, times)[rest])
    assert {row for row in drawn if row % 3} <= sample(draw, offsets[rest], times[rest])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 50), st.integers(0, 100), HALF_LIVES)
def test_the_best_of_the_parts_hold_the_best_of_the_whole(count: int, cut: int, half_life: float | None) -> None:
    """Drawing from each part and then from what was drawn gives what drawing from all rows gives."""
    draw, (offsets, times) = Draw(count, 1, NOW, half_life), history(100)
    parts = [sample(draw, offsets[rows], times[rows]) for rows in (slice(0, cut), slice(cut, 100))]
    both = np.array(sorted(parts[0] | parts[1]), np.int64)
    assert sample(draw, both, times[both - 1]) == sample(draw, offsets, times)


def test_a_new_row_displaces_at_most_one() -> None:
    """With one row more at most one row leaves the sample, and only for the new one."""
    draw, (offsets, times) = Draw(50, 3, NOW, 1e4), history(1_000)
    for new in range(900, 1_000):
        without = np.arange(1_000) != new
        gone = sample(draw, offsets[without], times[without]) - sample(draw, offsets, times)
        assert len(gone) == (offsets[new] in sample(draw, offsets, times))


def test_another_seed_is_another_sample() -> None:
    """Samples of two seeds share about as many rows as chance gives; the same seed gives the same rows."""
    offsets, times = history(20_000)
    drawn = [sample(Draw(2_000, seed, NOW), offsets, times) for seed in range(20)]
    assert drawn[7] == sample(Draw(2_000, 7, NOW), offsets, times)
    shared = [len(one & other) for number, one in enumerate(drawn) for other in drawn[:number]]
    assert 120 < np.mean(shared) < 280


def test_without_a_half_life_all_rows_are_as_likely() -> None:
    """Each tenth of history has its share of a uniform sample: within five standard deviations of a tenth."""
    offsets, times = history(100_000)
    drawn = np.array(sorted(sample(Draw(10_000, 5, NOW), offsets, times)))
    counts = np.histogram(drawn, bins=10, range=(1, 100_001))[0]
    assert np.abs(counts - 1_000).max() < 5 * np.sqrt(1_000 * 0.9 * 0.9)


def test_a_half_life_halves() -> None:
    """Where few of many are drawn, rows one half-life older are drawn half as often, two a quarter."""
    offsets, half_life = np.arange(300_000), 7.0 * DAY
    times = MICROS - (offsets % 3) * int(half_life * 1e6)
    drawn = np.array(sorted(sample(Draw(7_000, 2, NOW, half_life), offsets, times)))
    counts = np.bincount(drawn % 3) / 7_000
    assert counts == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=0.03)


def test_the_first_drawn_has_the_weights_odds() -> None:
    """Of four rows one is drawn in proportion to its weight, as A-Res promises; over 4,000 unrelated quadruples."""
    offsets = np.arange(16_000)
    times = MICROS - (offsets % 4) * DAY * 1_000_000
    draw = Draw(1, 9, NOW, float(DAY))
    keys = draw.keys(offsets, times).reshape(-1, 4)
    won = np.bincount([draw.first(row, np.arange(4))[0] for row in keys]) / len(keys)
    assert won == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15], abs=0.04)


def test_no_age_is_too_old_or_too_young() -> None:
    """Rows of any age, the future's included, have finite keys, and a row from the future weighs what one of now weighs."""
    offsets, times = np.arange(4), np.array([0, MICROS, MICROS + 10**15, -(2**55)])
    keys = Draw(2, 0, NOW, 1e-3).keys(offsets, times)
    assert np.isfinite(keys).all()
    now = Draw(2, 0, NOW, 1e-3).keys(offsets, np.full(4, MICROS))
    assert (keys[1], keys[2]) == (now[1], now[2])
    assert keys[0] > now[0]


def test_equal_keys_go_by_offset() -> None:
    """Between rows of the same key the smaller offset is drawn, wherever it stands."""
    draw = Draw(2, 0, NOW)
    assert draw.first(np.array([0.5, 0.1, 0.5, 0.5]), np.array([9, 8, 3, 7])).tolist() == [1, 2]
    assert draw.first(np.array([0.5]), np.array([1])).tolist() == [0]
    assert Draw(0, 0, NOW).first(np.array([0.5]), np.array([1])).tolist() == []


def test_a_sample_is_an_arc() -> None:
    """Without a half-life the rows drawn follow each other on the circle, from where the seed begins."""
    offsets, times = history(1_000)
    turn = np.argsort(places(offsets))
    drawn = np.isin(offsets[turn], sorted(sample(Draw(100, 4, NOW), offsets, times)))
    assert (np.diff(np.append(drawn, drawn[0]).astype(int)) == 1).sum() == 1


def test_places_never_change() -> None:
    """The places that files of examples are stored by: SplitMix64's first outputs for seed 0."""
    assert [hex(place) for place in places(np.array([0, STEP])).tolist()] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


def test_as_many_as_are_new() -> None:
    """One past row goes with each new one; more where shared layers move; none where all train rows are new anyway."""
    assert [to_replay(scope, 7, learns_train=True) for scope in ("rows", "dense", "full")] == [7, LEAST_DENSE, 0]
    assert [to_replay(scope, 7, learns_train=False) for scope in ("rows", "dense", "full")] == [7, 7, 7]
    assert to_replay("dense", 2 * LEAST_DENSE, learns_train=True) == 2 * LEAST_DENSE
