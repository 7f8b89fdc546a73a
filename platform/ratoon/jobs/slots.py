"""When a job's slots are, by its schedule alone: whoever asks, and after whatever restart, gets the same ones.

cronsim does cron's arithmetic. Intervals are counted from 1970, so that no state says where they begin.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from cronsim import CronSim

from ratoon.config import Job

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 1_000
"""Missed slots that are counted; a worker that was away for longer has missed that many at least."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One time that a job has to run.

    Attributes:
        key: what tells it from the job's other slots.
        at: when it is due, UTC.
        since: where its data interval begins, which ends at `at`; UTC.
    """

    key: str
    at: datetime
    since: datetime


def upto(job: Job, now: datetime) -> Iterator[Slot]:
    """The slots of a scheduled job that are due by `now`, newest first, without end; none of one that data start."""
    for at, before in _moments(job, now):
        yield Slot(at.isoformat(), at, before)


def between(job: Job, after: datetime, now: datetime) -> list[Slot]:
    """The slots after `after` that are due by `now`, oldest first; the newest MOST of them."""
    found: list[Slot] = []
    for slot in islice(upto(job, now), MOST):
        if slot.at <= after:
            break
        found.append(slot)
    return found[::-1]


def following(job: Job, now: datetime) -> datetime | None:
    """When the next slot after `now` is; None for a job that data start."""
    if job.cron:
        return next(CronSim(job.cron, now))
    return EPOCH + (_count(job.every, now) + 1) * timedelta(seconds=job.every) if job.every else None


def delay(name: str, job: Job, slot: Slot) -> timedelta:
    """How much later than its time a slot is started: between nothing and the job's jitter, drawn by a hash of job and slot."""
    drawn = int.from_bytes(hashlib.sha256(f"{name} {slot.key}".encode()).digest()[:8], "big") / 2**64
    return timedelta(seconds=drawn * job.jitter)


def _moments(job: Job, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Each slot's time and the one before it, newest first."""
    if job.cron:
        # Backwards cronsim leaves the moment it is given out.
        past = CronSim(job.cron, now.replace(second=0, microsecond=0) + timedelta(minutes=1), reverse=True)
        at = next(past)
        for before in past:
            yield at, before
            at = before
    elif job.every:
        span = timedelta(seconds=job.every)
        for number in range(_count(job.every, now), 0, -1):
            yield EPOCH + number * span, EPOCH + (number - 1) * span


def _count(every: float, now: datetime) -> int:
    return int((now - EPOCH) / timedelta(seconds=every))
