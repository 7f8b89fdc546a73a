"""One attempt at one slot: claimed in the ledger, done by a process, watched over, and written down."""

import json
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from time import monotonic

from ratoon.config import Job
from ratoon.domain.duration import duration
from ratoon.jobs.child import PROGRAM, Child, Ended
from ratoon.jobs.notes import Notes
from ratoon.jobs.operations import OPERATIONS, Result
from ratoon.jobs.run import BY_CODE, Run, Status, Trigger
from ratoon.jobs.slots import Slot

GRACE = 10.0
"""Seconds that a process has between being asked to end and being ended."""
REASON = 400
"""Characters of what a run that failed complained of that its line in the history has."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a refresh itself has kept of what it did: the number of that record, and the bytes of the release it published."""

    record: int = 0
    bytes: int = 0


class Attempt:
    """A run that is under way.

    Args:
        now: the machine's clock, UTC. How long a run may take is measured by the clock that nobody sets.
        kept: finds what the run's own operation has kept of it, by surface and result.
        program: what is run with the operation's arguments.

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
        notes: Notes,
        now: Callable[[], datetime],
        kept: Callable[[str, Result], Kept] = lambda _surface, _result: Kept(),
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.job, self._notes, self._now, self._kept = job, notes, now, kept
        operation, owner, at = OPERATIONS[job.do], f"{socket.gethostname()}:{os.getpid()}", now()
        wanted = Run(
            *(0, name, job.do, job.surface, operation.lane_of(job), slot.key, trigger, slot.at, slot.since),
            *(attempt, "running", owner, at, at, version("ratoon")),
        )
        self.run = notes.claim(wanted, at)
        self._child = Child(operation.command(job), program)
        self._beaten, self._asked, self._ending = monotonic(), 0.0, ""

    def step(self) -> Run | None:
        """Look after it; the run once it has ended."""
        if ended := self._child.poll():
            return self._finished(ended)
        if monotonic() - self._beaten >= self._notes.lease / 3:
            self._beaten = monotonic()
            self.run = self._notes.beat(self.run, self._now())
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
        kept = self._kept(self.run.surface, result) if status in ("ok", "refused") else Kept()
        run = replace(
            self.run,
            status=status,
            ended=self._now(),
            code=ended.code,
            verdict=result.verdict if status in ("ok", "refused", "blocked") else "",
            reason=told,
            release=result.release,
            record=kept.record,
            rows=result.rows,
            window=result.window,
            seconds=ended.seconds,
            cpu_seconds=ended.cpu_seconds,
            max_rss=ended.max_rss,
            bytes=kept.bytes,
            stderr=ended.complained,
            figures=result.figures,
        )
        return self._notes.finish(run)

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
