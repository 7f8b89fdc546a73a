"""What is an alert, and when it is over."""

from datetime import timedelta
from typing import Any

import pytest

from ratoon.config import Alerts
from ratoon.jobs.alarms import of_job, of_surface
from ratoon.jobs.due import Decision, Waiting, decide
from ratoon.jobs.run import Run
from tests.fakes.work import T0, job, run

NOTHING = Decision(None, "schedule", "")


@pytest.mark.parametrize(
    ("status", "attempt", "alarms"),
    [
        ("ok", 1, False),
        ("refused", 1, False),
        ("stopped", 9, False),
        ("failed", 1, False),
        ("failed", 4, True),
        ("timeout", 4, True),
        ("lost", 4, True),
        ("blocked", 1, True),
        ("wrong", 1, True),
    ],
)
def test_a_failure_is_an_alert_when_nothing_is_tried_any_more(status: Any, attempt: int, alarms: bool) -> None:
    """What is tried again, what was stopped and what the gate refused alarm nobody; the rest does, with its reason."""
    wrong = of_job("learn", job(), [run(status=status, attempt=attempt, reason="no disk")], NOTHING, None)
    assert wrong == ({"learn: failed": f"job 'learn': run 1 {status}, try {attempt}: no disk"} if alarms else {})


def test_missing_runs_are_an_alert_until_one_goes_well() -> None:
    """A worker that comes back after an hour says at once how often a job did not run, and it is over after a good run."""
    settings, now = job(misfire="15 min"), T0 + timedelta(hours=1)
    decision = decide("learn", settings, [run()], None, now)
    wrong = of_job("learn", settings, [run()], decision, None)
    told = "job 'learn' did not run 4 times from 2026-03-01 12:10:00 to 2026-03-01 12:40:00"
    assert wrong["learn: missing"].startswith(told)
    late = run(id=2, at=T0 + timedelta(hours=1), status="failed", ended=now)
    assert of_job("learn", settings, [late, run()], NOTHING, now).keys() == {"learn: missing"}
    good = run(id=3, status="ok", ended=now + timedelta(minutes=1))
    assert of_job("learn", settings, [good, late, run()], NOTHING, now) == {}


def candidates(*verdicts: str) -> list[Run]:
    return [run(id=9 - at, verdict=verdict, reason="recall fell") for at, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("verdicts", "alarms"),
    [
        (("refused", "refused", "refused"), True),
        (("refused", "skipped", "refused", "refused"), True),
        (("refused", "refused"), False),
        (("refused", "published", "refused", "refused"), False),
        (("published", "refused", "refused", "refused"), False),
    ],
)
def test_repeated_refusals_are_an_alert(verdicts: tuple[str, ...], alarms: bool) -> None:
    """So many refused candidates in a row, runs without one passed over; a published one ends it."""
    wrong = of_surface("default", Alerts(refusals=3), candidates(*verdicts), None)
    told = "surface 'default': the last 3 candidates were refused, the newest because recall fell"
    assert wrong == ({"default: refusals": told} if alarms else {})


def test_an_old_event_is_an_alert() -> None:
    """An event that waits for longer than is asked; not before, and never where nothing is asked."""
    waiting = Waiting(3, 8, T0, T0 + timedelta(minutes=10))
    wrong = of_surface("default", Alerts(freshness="5 min"), [], waiting)
    assert wrong == {"default: freshness": "surface 'default': an event has waited for 10 min; 5 min are asked; 5 events wait"}
    assert of_surface("default", Alerts(freshness="10 min"), [], waiting) == {}
    assert of_surface("default", Alerts(), [], waiting) == {}


def test_a_hold_is_an_alert() -> None:
    """While refreshing is on hold nothing is learnt: that and the reason are said until somebody resumes it."""
    told = "surface 'default': refreshing is on hold until `ratoon resume`: release 7 did harm"
    assert of_surface("default", Alerts(), [], None, "release 7 did harm") == {"default: on hold": told}
    assert of_surface("default", Alerts(), [], None) == {}
