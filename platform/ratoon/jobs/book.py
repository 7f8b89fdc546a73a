"""The jobs that ratoon.toml names, with their past and present: what a worker and a person ask alike."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from time import sleep
from typing import Any

from ratoon.config import Job
from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.report import Run as Refreshed
from ratoon.jobs import LEASE
from ratoon.jobs.attempt import Attempt, Kept, Means, nothing
from ratoon.jobs.backlog import kept, record, waiting
from ratoon.jobs.child import PROGRAM
from ratoon.jobs.due import Decision, Waiting, decide
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.notes import Notes
from ratoon.jobs.operations import Result
from ratoon.jobs.pauses import Pauses
from ratoon.jobs.run import ASKED, Run
from ratoon.jobs.slots import Slot
from ratoon.jobs.warm import Warm
from ratoon.wiring import House

RECENT = 200
"""Runs of all jobs among which the newest drift report and refusals are looked for."""
ASKED_TIMEOUT = "1 d"
"""How long a refresh may take that somebody asked for."""
LAST = 19
"""The least favour that a process can be shown: searches keep the processor."""
STEP = 0.05
"""Seconds between two looks at a run that is waited for."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A run, and what its refresh kept of itself, if it was one and that is there still."""

    run: Run
    refresh: Refreshed | None

    def plain(self) -> dict[str, Any]:
        """The same for JSON: the run's own fields, and `refresh`."""
        told = {**asdict(self.run), "refresh": asdict(self.refresh) if self.refresh else None}
        return dict(json.loads(json.dumps(told, default=datetime.isoformat)))


@dataclass(frozen=True)
class Book:
    """The jobs of one home, and what they are decided on and run with: for the worker and for a run by hand alike.

    Attributes:
        jobs: by name.
        ledger: for people to read.
        waiting: what waits for a surface, given all jobs' newest runs.
        paused: why a job rests; empty if it does not.
        now: the machine's clock, UTC.
        kept, program, cpu_hour, warm: see `Means`.
        record: what a run's refresh kept of itself; None if it is none, or that is not kept any more.
        held: why a surface's refreshing is on hold; empty if it is not.
    """

    jobs: Mapping[str, Job]
    ledger: Ledger
    waiting: Callable[[str, Sequence[Run]], Waiting]
    paused: Callable[[str], str]
    now: Callable[[], datetime]
    kept: Callable[[str, Result], Kept] = nothing
    program: Sequence[str] = PROGRAM
    cpu_hour: float = 0.0
    record: Callable[[Run], Refreshed | None] = lambda _: None
    held: Callable[[str], str] = lambda _surface: ""
    warm: Warm | None = None

    def shown(self, run: Run) -> Shown:
        """A run with what it kept of itself."""
        return Shown(run, self.record(run))

    @cached_property
    def notes(self) -> Notes:
        """The ledger for whoever runs jobs, which a ledger that cannot be used does not stop."""
        return Notes(self.ledger)

    def job(self, name: str) -> Job:
        """A job by its name; UsageError if there is none."""
        if name not in self.jobs:
            raise UsageError(
                "job",
                expected=f"one of {', '.join(self.jobs)}" if self.jobs else "a job",
                found=repr(name),
                fix="Add it to ratoon.toml as [jobs.NAME], or name another.",
            )
        return self.jobs[name]

    def past(self, name: str) -> list[Run]:
        """A job's newest runs that its schedule or data asked for, newest first."""
        return [run for run in self.notes.of_job(name) if run.trigger != "hand"]

    def decided(self, name: str) -> Decision:
        """What is to be done with a job now, and why."""
        job = self.job(name)
        here = self.waiting(job.surface, self.notes.newest(RECENT)) if job.when else None
        decision = decide(name, job, self.past(name), here, self.now(), self.paused(name))
        return replace(decision, reason=f"{decision.reason}; {doubt}") if (doubt := self.notes.trouble) else decision

    def begun(self, name: str, decision: Decision) -> Attempt:
        """Run the slot of a decision; Conflict if somebody else does."""
        assert decision.slot is not None
        tried = [run.attempt for run in self.notes.of_job(name) if run.slot == decision.slot.key]
        return Attempt(name, self.job(name), decision.slot, decision.trigger, max(tried, default=0) + 1, self._means())

    def asked(self, surface: str, scope: str) -> Attempt:
        """Refresh a surface because somebody asks for it, behind all else that the machine has to do.

        Raises:
            Conflict: another refresh of the surface is at work.
            StoreError: the ledger cannot be written to, so that nobody could be told how it goes.
        """
        if trouble := self.notes.probe():
            raise StoreError(
                str(self.ledger.path),
                expected="a ledger in which the run can be followed",
                found=trouble,
                fix="Free it, or run `ratoon refresh`, which needs none.",
            )
        at = self.now()
        given = {"do": "full" if scope == "full" else "refresh", "surface": surface, "timeout": ASKED_TIMEOUT}
        job = Job.model_validate({**given, "every": ASKED_TIMEOUT})  # a job has a schedule; nobody looks at this one's
        more = () if scope == "full" else ("--scope", scope)
        slot = Slot(f"asked for at {at.isoformat()}", at, at)
        return Attempt(ASKED, job, slot, "api", 1, self._means(nice=LAST), more)

    def _means(self, nice: int = 0) -> Means:
        return Means(self.notes, self.now, self.kept, self.program, self.cpu_hour, nice, self.warm)

    def to_completion(self, name: str, decision: Decision, wait: Callable[[float], object]) -> Run:
        """Run the slot of a decision and wait for its end; Conflict if somebody else runs it.

        Args:
            wait: waits for so many seconds; what it raises ends the run.
        """
        attempt = self.begun(name, decision)
        try:
            while (run := attempt.step()) is None:
                wait(STEP)
        except BaseException:
            attempt.stop()
            while attempt.step() is None:
                sleep(STEP)
            raise
        return run


def opened(house: House, now: Callable[[], datetime], lease: float = LEASE, warm: Warm | None = None) -> Book:
    """The jobs of a house."""
    ledger, pauses = Ledger(house.home / "jobs.sqlite", lease), Pauses(house.home)

    def held(surface: str) -> str:
        return house.registry(surface).held()

    return Book(
        house.settings.jobs,
        ledger,
        partial(waiting, house),
        pauses.why,
        now,
        partial(kept, house),
        cpu_hour=house.settings.costs.cpu_hour,
        record=partial(record, house),
        held=held,
        warm=warm,
    )
