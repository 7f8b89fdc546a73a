"""What is measured, and that both ways of comparing it agree."""

import math
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.event import TIME
from ratoon.features.quality.checks import failures
from ratoon.features.quality.judging import breaks
from ratoon.features.quality.ledger import Spread
from ratoon.features.quality.measures import Rows, measure, numbers, spread
from ratoon.features.quality.rules import Rule
from tests.features.quality.conditions import activity_rules, at, profile_rules

FLOATS = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 120.0, 5.0])


def rule(tag: str) -> Rule:
    (found,) = profile_rules(score=tag)
    return found


def rows(times: list[float], users: list[str]) -> Rows:
    moments = pa.array([at(second) for second in times], TIME)
    return Rows({"user_id": pa.array(users, pa.string()), "event_timestamp": moments, "created_timestamp": moments}, at(100))


@given(values=st.lists(FLOATS, max_size=40))
def test_both_comparisons_agree_on_numbers(values: list[float | None]) -> None:
    """A batch checked by pandera and a few events checked without it break the same rules, nulls and NaN included."""
    ranged, robust = rule("range(0, 120)"), replace(rule("robust_z(5)"), high=5.0)
    column = pa.array(values, pa.float64(), from_pandas=True)
    measured = {ranged: column, robust: column}
    slow, fast = failures(measured), breaks(measured)
    for one in measured:
        assert slow[one].tolist() == fast[one].tolist()
    expected = [value is not None and not math.isnan(value) and not 0 <= value <= 120 for value in values]
    assert fast[ranged].tolist() == expected


@given(values=st.lists(st.none() | st.sampled_from(["M", "F", "", "m"]), max_size=30))
def test_both_comparisons_agree_on_texts(values: list[str | None]) -> None:
    """Allowed values are the same to both; a missing one breaks nothing."""
    (allowed,) = profile_rules(gender="one_of(M, F)")
    measured = {allowed: pa.array(values, pa.string())}
    assert failures(measured)[allowed].tolist() == breaks(measured)[allowed].tolist()
    assert breaks(measured)[allowed].tolist() == [value in ("", "m") for value in values]


@given(
    moments=st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=40),
    cut=st.integers(0, 40),
    most=st.integers(1, 4),
)
def test_a_rate_counts_as_a_slow_loop_does(moments: list[tuple[str, int]], cut: int, most: int) -> None:
    """Where a user has more events than the limit the count is that of the window, earlier events included."""
    (limit,) = activity_rules(f"rate(user_id, {most}/10s)")
    past, new = moments[:cut], moments[cut:]
    earlier = pa.table(
        {
            "user_id": pa.array([user for user, _ in past], pa.string()),
            "event_timestamp": pa.array([at(second) for _, second in past], TIME),
        }
    )
    found = measure(limit, replace(rows([second for _, second in new], [user for user, _ in new]), earlier=earlier)).to_pylist()
    for number in range(cut, len(moments)):
        user, second = moments[number]
        inside = [
            other
            for other in range(len(moments))
            if moments[other][0] == user
            and second - 10 < moments[other][1] <= second
            and (moments[other][1], other) <= (second, number)
        ]
        assert (found[number - cut] > most) == (len(inside) > most)


def test_bounds_in_time_are_seconds() -> None:
    """From a date, from now and from the arrival, moved by the span."""
    before, after, arrival = activity_rules("not_before(2026-03-01); not_after(now + 10s); not_before(arrival - 1m)")
    here = rows([-5.0, 120.0], ["a", "b"])
    assert measure(before, here).to_pylist() == [-5.0, 120.0]
    assert measure(after, here).to_pylist() == [-115.0, 10.0]
    assert measure(arrival, here).to_pylist() == [60.0, 60.0]


def test_robust_deviations() -> None:
    """Median and 1.4826 MAD by hand; where most values are equal the mean deviation stands in, and all equal judge nobody."""
    assert spread(np.array([1.0, 2.0, 3.0, 4.0, 100.0, math.nan])) == Spread(3.0, 1.4826, 5)
    mostly = spread(np.array([0.0] * 9 + [10.0]))
    assert mostly.median == 0.0
    assert mostly.scale == pytest.approx(1.2533)
    assert spread(np.array([math.nan])).rows == 0
    column = {"score": pa.array([5.0, 9.0, None])}
    robust = rule("robust_z(8)")
    against = Rows(column, at(0), spreads={robust.key: Spread(5.0, 2.0, 100)})
    assert measure(robust, against).to_pylist() == [0.0, 2.0, None]
    assert measure(robust, replace(against, spreads={robust.key: Spread(5.0, 0.0, 100)})).to_pylist() == [None] * 3
    assert measure(robust, Rows(column, at(0))).to_pylist() == [None] * 3  # three values say nothing of outliers


def test_times_are_numbers_in_microseconds() -> None:
    """A time with another unit is the same number; a missing one is NaN."""
    moment = at(0) + timedelta(milliseconds=5)
    found = numbers(pa.array([moment, None], pa.timestamp("ms", "UTC")))
    assert found[0] == moment.timestamp() * 1e6
    assert math.isnan(found[1])


def test_a_broken_share_is_broken_by_every_row() -> None:
    """The mean of missing values is compared with the limit, which is itself let pass."""
    share = rule("null_share(0.5)")
    assert failures({share: pa.array([1.0, 0.0])})[share].tolist() == [False, False]
    assert failures({share: pa.array([1.0, 1.0, 0.0])})[share].tolist() == [True] * 3
    assert failures({share: pa.array([], pa.float64())})[share].tolist() == []
