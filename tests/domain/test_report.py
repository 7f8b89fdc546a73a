"""The stopwatch, under clocks that the test turns."""

from collections.abc import Callable

import pytest

from ratoon.domain.plan import RefreshPlan
from ratoon.domain.report import RefreshReport, Stage, Stopwatch


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
