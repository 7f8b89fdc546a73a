"""Whether a job runs now: a table of cases."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ratoon.jobs.due import Decision, Waiting, decide
from ratoon.jobs.run import Run
from tests.fakes.work import T0, job, run


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def decided(now: datetime, *past: Run, paused: str = "", waiting: Waiting | None = None, **settings: Any) -> Decision:
    return decide("learn", job(**settings), past, waiting, now, paused)


def slots(decision: Decision) -> datetime | None:
    return decision.slot.at if decision.slot else None


@pytest.mark.parametrize(
    ("after", "past", "settings", "slot", "reason"),
    [
        (1, [], {}, T0, "due at 2026-03-01 12:00:00"),
        (1, [run()], {}, None, "run 1 was the last (ok); the next is due at 2026-03-01 12:10:00"),
        (10, [run()], {}, T0 + minutes(10), "due at 2026-03-01 12:10:00, 0 s ago"),
        (35, [run()], {}, T0 + minutes(30), "due at 2026-03-01 12:30:00"),
        (35, [run()], {"catch_up": "all"}, T0 + minutes(10), "due at 2026-03-01 12:10:00"),
        (35, [run()], {"catch_up": "all", "misfire": "15 min"}, T0 + minutes(10), "1 slots were missed since 2026-03-01 12:10"),
        (39, [run()], {"catch_up": "none", "misfire": "10 min"}, T0 + minutes(30), "2 slots were missed"),
        (39, [run()], {"catch_up": "none", "misfire": "5 min"}, None, "run 1 was the last"),
        (39, [run()], {"catch_up": "last", "misfire": "5 min"}, T0 + minutes(30), "3 slots were missed"),
        (39, [], {"misfire": "5 min"}, None, "the next is due at 2026-03-01 12:40:00"),
    ],
)
def test_by_schedule(after: float, past: list[Run], settings: Any, slot: datetime | None, reason: str) -> None:
    """Each policy of what was missed takes the slot that it says, and the reason says so."""
    decision = decided(T0 + minutes(after), *past, **settings)
    assert slots(decision) == slot
    assert reason in decision.reason


def test_what_runs_is_not_run_twice() -> None:
    """While a run holds its lease nothing is due; when the lease is out, its slot is run again."""
    running = run(status="running", ended=None, lease=T0 + minutes(30))
    assert "run 1 has been at work since 12:00:00" in decided(T0 + minutes(25), running).reason
    again = decided(T0 + minutes(9), run(status="running", ended=None, lease=T0 + minutes(1)))
    assert slots(again) == T0
    assert "nobody has heard of run 1 since 12:01:00" in again.reason


def test_overlap() -> None:
    """A slot that came while the run before was at work is left out, or runs after it."""
    long = run(ended=T0 + minutes(14))
    assert slots(decided(T0 + minutes(15), long)) is None
    assert slots(decided(T0 + minutes(15), long, overlap="wait")) == T0 + minutes(10)
    assert slots(decided(T0 + minutes(20), long)) == T0 + minutes(20)


@pytest.mark.parametrize("status", ["failed", "killed", "timeout", "lost"])
def test_what_may_go_well_is_tried_again(status: Any) -> None:
    """After the pause, twice as long before each further try, as often as is allowed."""
    asked: dict[str, Any] = {"backoff": "1 min", "retries": 2, "every": "1 h"}
    first = run(status=status, ended=T0 + minutes(1))
    assert "try 2 of 3 is at 12:02:00" in decided(T0 + minutes(1.5), first, **asked).reason
    assert slots(decided(T0 + minutes(2), first, **asked)) == T0
    second = run(status=status, ended=T0 + minutes(3), attempt=2)
    assert slots(decided(T0 + minutes(4), second, first, **asked)) is None
    assert slots(decided(T0 + minutes(5), second, first, **asked)) == T0
    assert slots(decided(T0 + minutes(50), run(status=status, attempt=3), **asked)) is None


@pytest.mark.parametrize("status", ["refused", "blocked", "wrong"])
def test_what_stays_wrong_is_not_tried_again(status: Any) -> None:
    """A refusal, blocked data and a wrong configuration wait for the next slot."""
    assert slots(decided(T0 + minutes(5), run(status=status))) is None
    assert slots(decided(T0 + minutes(10), run(status=status))) == T0 + minutes(10)


def test_a_run_that_was_stopped_is_made_good_at_once() -> None:
    """What ended because its worker had to is run again by the next worker, without a pause."""
    assert slots(decided(T0 + minutes(1), run(status="stopped", ended=T0 + minutes(1)), backoff="1 h")) == T0


def test_a_pause_says_why() -> None:
    """A paused job is not due, whatever its schedule says."""
    decision = decided(T0, paused="the disk is full")
    assert (decision.slot, decision.reason) == (None, "paused: the disk is full")


def waits(rows: int, age: float = 0.0, start: int = 100, drift: float | None = None) -> Waiting:
    return Waiting(start, start + rows, T0 - minutes(age) if rows else None, T0, drift)


@pytest.mark.parametrize(
    ("when", "waiting", "due", "reason"),
    [
        ({"rows": 10}, waits(9), False, "waits for data: 9 of 10 events"),
        ({"rows": 10}, waits(10), True, "10 events wait, 10 are enough"),
        ({"age": "5 min"}, waits(1, 4), False, "the oldest has waited for 4 min of 5 min"),
        ({"age": "5 min"}, waits(1, 5), True, "the oldest of 1 events has waited for 5 min"),
        ({"rows": 10, "age": "5 min"}, waits(2, 6), True, "has waited for 6 min"),
        ({"age": "5 min"}, waits(0), False, "the oldest has waited for 0 s"),
        ({"drift": 0.5}, waits(5), False, "drift is not measured"),
        ({"drift": 0.5}, waits(5, drift=0.4), False, "drift is 0.40, 0.5 is asked"),
        ({"drift": 0.5}, waits(5, drift=0.6), True, "inputs drifted by a PSI of 0.60"),
    ],
)
def test_by_data(when: Any, waiting: Waiting, due: bool, reason: str) -> None:
    """Rows, age and drift each start a job by themselves, from exactly the limit on."""
    decision = decided(T0, when=when, waiting=waiting)
    assert (decision.slot is not None) is due
    assert reason in decision.reason


def test_the_same_data_start_one_run() -> None:
    """Data that a run has answered, well or not, start another one only when as much again has come."""
    first = decided(T0, when={"rows": 10}, waiting=waits(12))
    assert first.slot is not None
    refused = run(slot=first.slot.key, trigger="data", status="refused")
    assert "run 1 has answered this (refused)" in decided(T0, refused, when={"rows": 10}, waiting=waits(19)).reason
    assert decided(T0, refused, when={"rows": 10}, waiting=waits(20)).slot is not None
    assert decided(T0, refused, when={"rows": 10}, waiting=waits(12, start=112)).slot is not None
