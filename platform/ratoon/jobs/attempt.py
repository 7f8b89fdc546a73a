"""One attempt at one slot: claimed in the ledger, done by a process, watched over, and written down."""

import json
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from time import monotonic

from ratoon.config import Job
from ratoon.config.jobs import RELEASING
from ratoon.domain.duration import duration
from ratoon.domain.errors import RatoonError
from ratoon.jobs.child import PROGRAM, Child, Ended
from ratoon.jobs.notes import Notes
from ratoon.jobs.operations import OPERATIONS, Result
from ratoon.jobs.run import BY_CODE, DIED, Run, Status, Trigger
from ratoon.jobs.slots import Slot
from ratoon.jobs.version import version
from ratoon.jobs.warm import Warm

GRACE = 10.0
"""Seconds that a process has between being asked to end and being ended."""
REASON = 400
"""Characters of what a run that failed complained of that its line in the history has."""


logger = logging.getLogger("ratoon.jobs")


@dataclass(frozen=True, slots=True)
class Kept:
    """What the operation itself has kept of a run.

    Attributes:
        record: the number of a refresh's record.
        bytes: of the release that it published.
        parent: the id of the release that it started from.
        window: what it had begun with, where it did not live to say so.
    """

    record: int = 0
    bytes: int = 0
    parent: str = ""
    window: tuple[int, int] | None = None


def nothing(_surface: str, _result: Result) -> Kept:
    """What is kept by operations that keep nothing."""
    return Kept()


@dataclass(frozen=True, slots=True)
class Means:
    """What runs are run with.

    Attributes:
        notes: where they are written down.
        now: the machine's clock, UTC. How long a run may take is measured by the clock that nobody sets.
        kept: finds what the run's own operation has kept of it, by surface and result; the result of one that died is empty.
        program: what is run with the operation's arguments.
        warm: forks it; without one, each run is started from nothing.
        cpu_hour: what an hour of one core costs.
        nice: how far runs stand back behind other processes, 0 to 19.
    """

    notes: Notes
    now: Callable[[], datetime]
    kept: Callable[[str, Result], Kept] = nothing
    program: Sequence[str] = PROGRAM
    cpu_hour: float = 0.0
    nice: int = 0
    warm: Warm | None = None


class Attempt:
    """A run that is under way.

    Args:
        more: arguments behind those of the job's operation.

    Raises:
        Conflict: somebody else runs it; see `Notes.claim`.
    """

    def __init__(
        self,
        name: str,
        job: Job,
        slot: Slot,
        trigger: Trigger,
        attempt: int,
        means: Means,
        more: Sequence[str] = (),
    ) -> None:
        self.job, self._means, self._notes = job, means, means.notes
        operation, owner, at = OPERATIONS[job.do], f"{socket.gethostname()}:{os.getpid()}", means.now()
        wanted = Run(
            *(0, name, job.do, job.surface, operation.lane_of(job), slot.key, trigger, slot.at, slot.since),
            *(attempt, "running", owner, at, at, version()),
        )
        self.run = self._notes.claim(wanted, at)
        self._child = Child([*operation.command(job), *more], means.program, means.nice, means.warm)
        self._beaten, self._asked, self._ending = monotonic(), 0.0, ""

    def step(self) -> Run | None:
        """Look after it; the run once it has ended."""
        if ended := self._child.poll():
            return self._finished(ended)
        if monotonic() - self._beaten >= self._notes.lease / 3:
            self._beaten = monotonic()
            self.run = self._notes.beat(self.run, self._means.now())
        if not self._ending and self._child.seconds > self.job.timeout:
            self._end("timeout")
        if self._ending and monotonic() - self._asked > GRACE:
            self._child.kill()
        return None

    def stop(self) -> None:
        """Ask it to end, because whoever looks after it has to; nothing if it was asked already."""
        if not self._ending:
            self._end("stopped")

    def _end(self, why: Status) -> None:
        self._ending, self._asked = why, monotonic()
        self._child.ask()

    def _finished(self, ended: Ended) -> Run:
        result, unread = self._result(ended)
        status: Status = BY_CODE.get(ended.code, "killed" if ended.code < 0 else "failed")
        if self._ending and status != "ok":
            status = "timeout" if self._ending == "timeout" else "stopped"
        if status == "ok" and unread:
            status = "failed"
        told = result.reason if status in ("ok", "refused") and result.reason else unread or _complaint(status, ended, self.job)
        kept = self._kept(status, result)
        run = replace(
            self.run,
            status=status,
            ended=self._means.now(),
            code=ended.code,
            verdict=result.verdict if status in ("ok", "refused", "blocked") else "",
            reason=told,
            release=result.release,
            record=kept.record,
            rows=result.rows,
            parent=kept.parent,
            window=result.window or kept.window,
            seconds=ended.seconds,
            cpu_seconds=ended.cpu_seconds,
            max_rss=ended.max_rss,
            bytes=kept.bytes or result.bytes,
            cost=ended.cpu_seconds / 3600 * self._means.cpu_hour,
            stderr=ended.complained,
            figures=result.figures,
        )
        return self._notes.finish(run)

    def _kept(self, status: Status, result: Result) -> Kept:
        """Nothing where it cannot be read: it is for people, and the run has ended in any case."""
        if self.job.do not in RELEASING or not (result.verdict or status in DIED):
            return Kept()
        try:
            return self._means.kept(self.run.surface, result)
        except RatoonError as error:
            logger.warning("job %s: what run %s kept cannot be read: %s", self.run.job, self.run.id, error)
            return Kept()

    def _result(self, ended: Ended) -> tuple[Result, str]:
        """What it said, and why that could not be read; what ends badly need not have said anything."""
        try:
            return OPERATIONS[self.job.do].read(json.loads(ended.said)), ""
        except (ValueError, KeyError, TypeError) as error:
            unread = f"what it printed is not what `{self.job.do}` says: {error!r}" if ended.code == 0 else ""
            return Result(""), unread


def _complaint(status: Status, ended: Ended, job: Job) -> str:
    if status == "timeout":
        return f"took longer than {duration(job.timeout)}"
    if status == "stopped":
        return "its worker was asked to end"
    last = ended.complained[-REASON:]
    return f"ended by signal {-ended.code}. {last}".strip() if ended.code < 0 else last or f"exit code {ended.code}"
