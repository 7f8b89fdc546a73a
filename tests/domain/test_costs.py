"""What a refresh will cost, by what others did."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ratoon.domain.costs import NONE, estimate
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.report import COMPARED, Stage, costs
from tests.fakes.runs import T0, report, run


def test_estimates() -> None:
    """Seconds follow the rows along a line, never below nothing; without a line they are the median, without runs unknown."""
    assert estimate([(100, 2.0), (200, 3.0)], 300) == pytest.approx(4.0)
    assert estimate([(100, 2.0), (200, 3.0)], 0) == pytest.approx(1.0)
    assert estimate([(1_000, 1.0), (2_000, 11.0)], 1) == 0.0
    assert estimate([(10, 4.0), (30, 2.0)], 1_000) == pytest.approx(3.0)
    assert estimate([(10, 3.0), (10, 5.0), (10, 4.0)], 1_000) == 4.0
    assert estimate([], 1_000) is None
    assert NONE.estimate("rows", 10) is None


def test_what_was_spent_in_a_day() -> None:
    """A day's runs count, whatever came of them; one that ended exactly a day ago does not, nor one that has no window."""
    each = report().cpu_seconds
    runs = [run(7), run(6), run(5, window=None)]
    assert costs(runs, T0 + timedelta(days=7)).spent == pytest.approx(each)
    assert costs(runs, T0 + timedelta(days=7) - timedelta(microseconds=1)).spent == pytest.approx(each)
    assert costs(runs, T0 + timedelta(days=6)).spent == pytest.approx(each)
    assert costs(runs, T0 + timedelta(days=9)).spent == 0.0


def test_each_scope_is_told_by_its_own_runs() -> None:
    """The newest runs of a scope tell what it costs, by the rows that were joined; what gave up on the way tells nothing."""
    dense = report(plan=RefreshPlan("dense", "old"), stages=(Stage("join", 9.0, 2.0, 80), Stage("train", 9.0, 5.0, 20_000)))
    waited = report(outcome="held", plan=RefreshPlan("skip", "on hold"))
    runs = [run(7), replace(run(6), report=dense), replace(run(5), report=waited), *(run(4) for _ in range(COMPARED + 5))]
    found = costs(runs, T0).scopes
    assert found["dense"] == [(80, 7.0)]
    assert found["rows"] == [(500, report().cpu_seconds)] * COMPARED
    assert "skip" not in found
