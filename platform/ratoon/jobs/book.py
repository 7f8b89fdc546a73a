"""The jobs that ratoon.toml names, with their past and present: what a worker and a person ask alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from time import sleep

from ratoon.config import Job
from ratoon.domain.errors import UsageError
from ratoon.jobs import LEASE
from ratoon.jobs.attempt import Attempt, Kept
from ratoon.jobs.backlog import kept, waiting
from ratoon.jobs.child import PROGRAM
from ratoon.jobs.due import Decision, Waiting, decide
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.notes import Notes
from ratoon.jobs.operations import Result
from ratoon.jobs.pauses import Pauses
from ratoon.jobs.run import Run
from ratoon.wiring import House

RECENT = 200
"""Runs of all jobs among which the newest drift report and refusals are looked for."""
STEP = 0.05
"""Seconds between two looks at a run that is waited for."""


@dataclass(frozen=True)
class Book:
    """The jobs of one home, and what they are decided on and run with: for the worker and for a run by hand alike.

    Attributes:
        jobs: by name.
        ledger: for people to read.
        waiting: what waits for a surface, given all jobs' newest runs.
        paused: why a job rests; empty if it does not.
        now: the machine's clock, UTC.
        kept: see `Attempt`.
        held: why a surface's refreshing is on hold; empty if it is not.
    """

    jobs: Mapping[str, Job]
    ledger: Ledger
    waiting: Callable[[str, Sequence[Run]], Waiting]
    paused: Callable[[str], str]
    now: Callable[[], datetime]
    kept: Callable[[str, Result], Kept] = lambda _surface, _result: Kept()
    program: Sequence[str] = PROGRAM
    held: Callable[[str], str] = lambda _surface: ""

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
        given = (self.notes, self.now, self.kept, self.program)
        return Attempt(name, self.job(name), decision.slot, decision.trigger, max(tried, default=0) + 1, *given)

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


def opened(house: House, now: Callable[[], datetime], lease: float = LEASE) -> Book:
    """The jobs of a house."""
    ledger, pauses = Ledger(house.home / "jobs.sqlite", lease), Pauses(house.home)

    def held(surface: str) -> str:
        return house.registry(surface).held()

    return Book(house.settings.jobs, ledger, partial(waiting, house), pauses.why, now, partial(kept, house), held=held)
