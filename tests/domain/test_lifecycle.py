"""How a surface ages: the curve, the forecast, and what was saved, from runs with figures that are easy to find again."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.lifecycle import DAY, FEWEST, life, theil_sen
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.release import Release
from ratoon.domain.report import Run, Stage
from tests.fakes.runs import FULL, T0, aged, report, run, truth


def test_the_curve_begins_with_the_last_full_retrain() -> None:
    """A point per release, in days since the retrain; what was before it does not count."""
    runs = [*aged(0.4, 0.39, 0.38), run(5, plan=FULL, truth=truth(0.37)), run(6, truth=truth(0.41)), run(7, truth=truth(0.4))]
    found = life("default", runs[::-1], (), 0.2)
    assert found.since is not None
    assert (found.since.sequence, found.since.scope, found.k) == (5, "full", 50)
    assert [(point.sequence, point.recall, point.days) for point in found.points] == [(5, 0.41, 1.0), (6, 0.4, 2.0)]
    assert found.points[0].at == T0 + timedelta(days=6)


def test_a_release_has_one_point() -> None:
    """A window that was refused and looked at again when it had grown is told by the later look alone."""
    again = run(3, outcome="refused", sequence=2, release=f"{2:064x}", truth=truth(0.3))
    later = replace(run(4, truth=truth(0.35)), parent=again.parent)
    assert [point.recall for point in life("default", [*aged(0.4), again, later], (), 0.2).points] == [0.4, 0.35]


def test_a_retrain_that_was_tried_first_counts() -> None:
    """No run published it; the kept releases know that it is served, and what its window was."""
    tried = run(4, outcome="tried", plan=FULL, sequence=3, release=f"{3:064x}", truth=truth(0.3))
    assert tried.report.window is not None
    release = Release("f" * 64, "default", 4, "", tried.report.window, "full", 16, "cosine", "", 0)
    after = replace(run(5, truth=truth(0.42)), parent=release.id)
    found = life("default", [*aged(0.4, 0.38), tried, after], [release], 0.2)
    assert found.since is not None
    assert (found.since.sequence, [point.recall for point in found.points]) == (4, [0.42])


def test_without_the_retrain_the_curve_begins_with_what_is_kept() -> None:
    """The oldest run stands in for it, and what a full one takes is said not to be known."""
    found = life("default", aged(0.4, 0.39)[1:], (), 0.2)
    assert found.since is not None
    assert (found.since.sequence, found.since.scope, len(found.points), found.saved) == (2, "rows", 1, None)
    assert "what a full retrain takes is not known" in found.why[-1]
    nothing = life("default", [], (), 0.2)
    assert (nothing.since, nothing.points, nothing.why) == (None, (), ("no release was made by a run that is kept",))


def test_the_forecast_is_when_the_line_reaches_the_limit() -> None:
    """Of 0.40 a day costs 0.01, so that a fifth is lost after eight days; one window out of line changes nothing."""
    found = life("default", aged(0.39, 0.38, 0.37, 0.36, 0.35), (), 0.2).forecast
    assert found is not None
    assert [found.level, found.slope, found.fallen] == pytest.approx([0.4, -0.01, 0.125])
    assert found.due is not None
    assert abs(found.due - (T0 + 9 * DAY)) < timedelta(seconds=1)
    odd = life("default", aged(0.39, 0.38, 0.37, 0.1, 0.35, 0.34, 0.33), (), 0.2).forecast
    assert odd is not None
    assert odd.slope == pytest.approx(-0.01)
    assert odd.earliest is not None
    assert odd.due is not None
    assert odd.earliest < odd.due


def test_what_does_not_fall_is_never_due() -> None:
    """Recall that rises has no date, and one that neither rises nor falls for certain has one bound that is never."""
    rising = life("default", aged(0.3, 0.31, 0.32, 0.33, 0.34), (), 0.2).forecast
    assert rising is not None
    assert (rising.due, rising.earliest, rising.latest) == (None, None, None)
    assert rising.fallen < 0
    level = life("default", aged(0.3, 0.31, 0.3, 0.29, 0.3, 0.31), (), 0.2).forecast
    assert level is not None
    assert (level.latest, level.earliest is not None) == (None, True)


@pytest.mark.parametrize("runs", [aged(0.4, 0.39, 0.38), aged(0.4, 0.39, 0.38, 0.37, rows=FEWEST - 1)])
def test_of_little_nothing_is_forecast(runs: list[Run]) -> None:
    """Three windows, or windows of too few questions, are drawn, and it is said why they forecast nothing."""
    found = life("default", runs, (), 0.2)
    assert (found.forecast, len(found.points)) == (None, len(runs) - 1)
    assert "a forecast takes 4" in found.why[0]


def test_what_was_spent_and_saved() -> None:
    """Two refreshes of 3.09 CPU seconds each, instead of two retrains of 40; a skipped run counts as spent alone."""
    skipped = run(4, outcome="skipped", sequence=3, plan=RefreshPlan("skip", "nothing"), truth=None, verdict=None)
    found = life("default", [*aged(0.4, 0.39), skipped], (), 0.2)
    assert [(one.scope, one.runs, one.published, one.rows) for one in found.spent] == [("skip", 1, 0, 500), ("rows", 2, 2, 1_000)]
    each, saved = report().cpu_seconds, found.saved
    assert found.spent[1].cpu_seconds == pytest.approx(2 * each)
    assert saved is not None
    assert (saved.releases, saved.full_cpu_seconds) == (2, 40.0)
    assert saved.cpu_seconds == pytest.approx(80.0 - 3 * each)
    assert saved.bytes == 0


def test_a_retrain_costs_what_the_log_makes_of_it() -> None:
    """Of 40 seconds at 500 events and 120 at 2,500, a retrain at 3,000 and one at 3,500 would have taken 140 and 160."""
    second = run(5, plan=FULL, truth=truth(0.4), stages=(Stage("train", 120.0, 120.0, 500),))
    found = life("default", [*aged(0.4), second, run(6, truth=truth(0.4)), run(7, truth=truth(0.4))], (), 0.2)
    assert found.saved is not None
    assert found.saved.full_cpu_seconds == pytest.approx(160.0)
    assert found.saved.cpu_seconds == pytest.approx(300.0 - 2 * report().cpu_seconds)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=20), st.floats(-5, 5))
def test_the_slope_lies_within_its_bounds(values: list[float], steep: float) -> None:
    """For any points; and what is added to every one of them by a line is added to slope and bounds."""
    x, y = np.arange(len(values), dtype=np.float64), np.array(values)
    slope, low, high = theil_sen(x, y)
    assert low <= slope <= high
    assert theil_sen(x, y + steep * x) == pytest.approx((slope + steep, low + steep, high + steep), abs=1e-9)
