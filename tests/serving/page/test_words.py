"""Figures as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from ratoon.serving.page.words import ago, moment, span

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "–"),
        (0.0, "0 s"),
        (1e-9, "< 1 µs"),
        (0.000042, "42 µs"),
        (0.0042, "4.2 ms"),
        (0.42, "420 ms"),
        (59.0, "59 s"),
        (90.0, "1.5 min"),
        (7_200.0, "2.0 h"),
        (86_400.0 * 12, "12 d"),
    ],
)
def test_durations_have_the_largest_unit_that_fits(seconds: float | None, said: str) -> None:
    """A duration is told in the largest unit it has one of, with two or three digits."""
    assert span(seconds) == said


def test_moments_are_told_by_their_distance() -> None:
    """What is less than a second old happened just now, and so did what a clock that stands still has not passed yet."""
    assert ago(NOW - timedelta(minutes=3), NOW) == "3.0 min ago"
    assert ago(NOW, NOW) == ago(NOW + timedelta(seconds=5), NOW) == "just now"
    assert moment(NOW) == "2026-05-06 07:08 UTC"
