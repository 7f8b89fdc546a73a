"""The stopwatch, under clocks that the test turns."""

from collections.abc import Callable

import pytest

from ratoon.domain.plan import RefreshPlan
from ratoon.domain.report import RefreshReport, Stage, Stopwatch, losses
from tests.fakes.runs import report as told


def clock(*times: float) -> Callable[[], float]:
    return iter(times).__next__


def test_stages() -> None:
    """Each stage has its wall and CPU seconds and its rows, in order, and is announced as it begins."""
    heard: list[str] = []
    watch = Stopwatch(clock(10.0, 12.5, 20.0, 21.0), clock(1.0, 1.5, 3.0, 3.25), heard.append)
    with watch.stage("train") as rows:
        assert heard == ["train"]
        assert watch.stages == []
        rows.count = 7
    with watch.stage("publish"):
        pass
    assert watch.stages == [Stage("train", 2.5, 0.5, 7), Stage("publish", 1.0, 0.25, 0)]
    assert heard == ["train", "publish"]


def test_a_stage_that_fails_is_not_counted() -> None:
    """An error passes through, and the stage that it broke off is not listed as done."""
    watch = Stopwatch(clock(0.0, 1.0), clock(0.0, 1.0))
    with pytest.raises(ValueError, match="broken"), watch.stage("train"):
        raise ValueError("broken")
    assert watch.stages == []


def test_cpu_seconds_are_added_up() -> None:
    """The report's CPU seconds are those of its stages; none for a refresh without stages."""
    stages = (Stage("a", 9.0, 0.5, 1), Stage("b", 9.0, 0.25, 2))
    report = RefreshReport("home", "published", "id", 3, RefreshPlan("full", "asked for"), None, None, stages)
    assert report.cpu_seconds == 0.75


def test_losses_are_those_of_this_refresh() -> None:
    """The curves come from the model's description; one that was taught nothing carries its parent's, which are not told."""
    about = b'{"dim": 8, "losses": {"fit": [], "train": [2.5, 1.5]}}'
    assert losses(about, [Stage("train", 1.0, 1.0, 9)]) == {"fit": (), "train": (2.5, 1.5)}
    assert losses(about, [Stage("train", 1.0, 1.0, 0), Stage("embed", 1.0, 1.0, 9)]) == {}


def test_a_brief_report_does_not_grow_with_the_catalogue() -> None:
    """Neither the ids of writable items nor files are in it; every other figure is."""
    whole = told()
    brief = whole.brief()
    assert whole.window is not None
    assert brief.window is not None
    assert (whole.plan.writable, len(whole.window.cursors)) == (("i1", "i2", "i3"), 1)
    assert (brief.plan.writable, len(brief.window.cursors)) == ((), 0)
    assert (brief.plan.reason, brief.window.end, brief.verdict) == (whole.plan.reason, whole.window.end, whole.verdict)
    assert told(window=None).brief().window is None
