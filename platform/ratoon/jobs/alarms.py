"""What is wrong with the jobs now, in words, by their past and the present."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from ratoon.config import Alerts, Job
from ratoon.domain.duration import duration
from ratoon.jobs.book import RECENT, Book
from ratoon.jobs.due import Decision, Waiting
from ratoon.jobs.run import AGAIN, Run


def of_all(book: Book, alerts: Alerts, decisions: Mapping[str, Decision]) -> dict[str, str]:
    """What is wrong with any job or surface: key -> words.

    Args:
        decisions: what is to be done with each job now.
    """
    wrong, known = dict[str, str](), book.notes.alarms()
    for name, decision in decisions.items():
        wrong |= of_job(name, book.jobs[name], _telling(book, name), decision, known_missing(name, known))
    runs = book.notes.newest(RECENT)
    for surface in {job.surface for job in book.jobs.values()}:
        wrong |= of_surface(surface, alerts, runs, book.waiting(surface, runs), book.held(surface))
    return wrong


def of_job(name: str, job: Job, past: Sequence[Run], decision: Decision, missing_since: datetime | None) -> dict[str, str]:
    """What is wrong with one job: key -> words.

    Args:
        past: its runs, newest first.
        missing_since: since when a run of it is known to be missing; None if none is. It is, until one has gone well.
    """
    wrong: dict[str, str] = {}
    if decision.missed:
        first, last = decision.missed[0].at, decision.missed[-1].at
        span = f"at {first:%Y-%m-%d %H:%M:%S}"
        if len(decision.missed) > 1:
            span = f"{len(decision.missed)} times from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S}"
        wrong[f"{name}: missing"] = (
            f"job {name!r} did not run {span}: no worker was there, or it was busy; grace {duration(job.misfire)}"
        )
    elif missing_since and not any(run.status == "ok" and run.ended and run.ended > missing_since for run in past):
        wrong[f"{name}: missing"] = f"job {name!r} has not gone well since runs of it were missing"
    ended = next((run for run in past if run.status != "running"), None)
    if ended and _hopeless(job, ended):
        wrong[f"{name}: failed"] = f"job {name!r}: run {ended.id} {ended.status}, try {ended.attempt}: {ended.reason}"
    return wrong


def of_surface(surface: str, alerts: Alerts, runs: Sequence[Run], waiting: Waiting | None, held: str = "") -> dict[str, str]:
    """What is wrong with one surface: key -> words.

    Args:
        runs: of all jobs, newest first.
        held: why refreshing is on hold; empty if it is not.
    """
    wrong: dict[str, str] = {}
    if held:
        wrong[f"{surface}: on hold"] = f"surface {surface!r}: refreshing is on hold until `ratoon resume`: {held}"
    if waiting and alerts.freshness is not None and waiting.age > alerts.freshness:
        told = f"surface {surface!r}: an event has waited for {duration(waiting.age)}; {duration(alerts.freshness)} are asked"
        wrong[f"{surface}: freshness"] = f"{told}; {waiting.rows} events wait"
    made = [run for run in runs if run.surface == surface and run.verdict in ("published", "refused")]
    refused = made[: alerts.refusals]
    if len(refused) == alerts.refusals and all(run.verdict == "refused" for run in refused):
        told = f"surface {surface!r}: the last {len(refused)} candidates were refused"
        wrong[f"{surface}: refusals"] = f"{told}, the newest because {refused[0].reason}"
    return wrong


def known_missing(name: str, alarms: Mapping[str, tuple[str, datetime, bool]]) -> datetime | None:
    """Since when a run of a job is known to be missing, by what is wrong already."""
    known = alarms.get(f"{name}: missing")
    return known[1] if known else None


def _telling(book: Book, name: str) -> list[Run]:
    """What says how a job fares: runs by hand that went well, too, for that is how a person mends it."""
    return [run for run in book.notes.of_job(name) if run.trigger != "hand" or run.status == "ok"]


def _hopeless(job: Job, run: Run) -> bool:
    """Whether a run went wrong and is not tried again by itself; a refusal is the gate at work, and no failure."""
    return run.status in ("blocked", "wrong") or (run.status in AGAIN and run.status != "stopped" and run.attempt > job.retries)
