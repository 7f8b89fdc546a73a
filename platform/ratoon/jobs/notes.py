"""What one process knows of runs and alarms: what the ledger says and, while that cannot be used, what it has seen itself.

A ledger that is locked, damaged or on a full disk stops no job. A run then begins without a claim; what keeps two such runs
from two effects is what keeps them from it in any case, the registry's compare-and-swap. What could not be written down is as
soon as it can be; a process that ends before takes it along.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from time import monotonic
from typing import TypeVar

from ratoon.domain.errors import Conflict, StoreError
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.run import Run

PAUSE = 5.0
"""Seconds for which a ledger that could not be used is left alone: each try holds up the runs under way."""
MOST = 1_000
"""Runs that are remembered until they can be written down, the newest ones."""

T = TypeVar("T")
Alarm = tuple[str, datetime, bool]

logger = logging.getLogger("ratoon.jobs")


class Notes:
    """A ledger that always answers. Not for several threads."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._reading, self._writing = _Way("read"), _Way("written to")
        self._begun: list[Run] = []
        self._unwritten: deque[Run] = deque(maxlen=MOST)
        self._alarms: dict[str, Alarm] = {}
        self._changed: dict[str, Alarm | None] = {}

    @property
    def lease(self) -> float:
        """Seconds after which a run that nobody has heard of is taken for lost."""
        return self._ledger.lease.total_seconds()

    @property
    def trouble(self) -> str:
        """Why the ledger cannot be used; empty if it can, as far as is known."""
        return self._writing.trouble or self._reading.trouble

    def claim(self, wanted: Run, now: datetime) -> Run:
        """Begin a run: see `Ledger.claim`; without a claim, and with the id 0, where the ledger cannot be used.

        Raises:
            Conflict: the lane is taken, or somebody else has begun this attempt.
        """
        self._begun = [run for run in self._begun if now < run.lease <= now + 2 * self._ledger.lease]
        mine = next((run for run in self._begun if run.lane == wanted.lane), None)
        if mine:
            raise Conflict(
                f"job {wanted.job!r}",
                expected=f"nobody at work on {wanted.lane}",
                found=f"a run of job {mine.job!r} by this process",
                fix="Wait until it has ended.",
            )
        run = self._write(lambda: self._ledger.claim(wanted, now))
        if run is None:
            run = replace(wanted, id=0, status="running", lease=now + self._ledger.lease)
            logger.warning("job %s: runs without a claim: %s", run.job, self.trouble)
        self._begun.append(run)
        return run

    def beat(self, run: Run, now: datetime) -> Run:
        """Say that a run is alive: with a new lease."""
        alive = (self._write(lambda: self._ledger.beat(run, now)) if run.id else None) or run
        alive = replace(alive, lease=now + self._ledger.lease)
        self._begun = [alive if _same(one, run) else one for one in self._begun]
        return alive

    def finish(self, run: Run) -> Run:
        """Write down what became of a run, as soon as that is possible."""
        self._begun = [one for one in self._begun if not _same(one, run)]
        if not run.id:
            run = replace(run, reason=f"{run.reason} (it began without a claim: the ledger could not be used)".strip())
        done = self._write(lambda: self._ledger.finish(run))
        if done is None:
            self._unwritten.append(run)
        return done or run

    def of_job(self, job: str, count: int = 50) -> list[Run]:
        """A job's newest runs, newest first."""
        return self._with_own(self._read(lambda: self._ledger.of_job(job, count)), job)[:count]

    def newest(self, count: int) -> list[Run]:
        """The newest runs of all jobs, newest first."""
        return self._with_own(self._read(lambda: self._ledger.newest(count)))[:count]

    def alarms(self) -> dict[str, Alarm]:
        """What is wrong now: see `Ledger.alarms`."""
        known = self._read(self._ledger.alarms)
        if known is not None:
            changed = {key: alarm for key, alarm in self._changed.items() if alarm}
            self._alarms = {key: alarm for key, alarm in known.items() if key not in self._changed} | changed
        return dict(self._alarms)

    def alarm(self, key: str, text: str, since: datetime, *, told: bool) -> None:
        """Write down that something is wrong, in the place of what was said under this key."""
        self._alarms[key] = self._changed[key] = text, since, told
        self.settle()

    def recovered(self, key: str) -> None:
        """Write down that it is not wrong any more."""
        self._alarms.pop(key, None)
        self._changed[key] = None
        self.settle()

    def settle(self) -> None:
        """Write down what could not be; finds out whether the ledger can be written to where that was in doubt."""
        if self._changed or self._unwritten or self._writing.trouble:
            self._write(self._ledger.writable)

    def probe(self) -> str:
        """Why the ledger cannot be written to now; empty if it can."""
        self._write(self._ledger.writable)
        return self.trouble

    def _with_own(self, known: list[Run] | None, job: str = "") -> list[Run]:
        """What the ledger does not know, the newest first, before what it does."""
        unclaimed = [run for run in self._begun if not run.id]
        own = [run for run in (*reversed(unclaimed), *reversed(self._unwritten)) if job in ("", run.job)]
        return own + [run for run in known or () if not any(_same(run, mine) for mine in own)]

    def _read(self, call: Callable[[], T]) -> T | None:
        return self._reading.tried(call)

    def _write(self, call: Callable[[], T]) -> T | None:
        """After what waits to be written; None where it is not possible."""

        def all_of_it() -> T:
            while self._unwritten:
                self._ledger.finish(self._unwritten[0])
                self._unwritten.popleft()
            for key, alarm in list(self._changed.items()):
                if alarm:
                    self._ledger.alarm(key, alarm[0], alarm[1], told=alarm[2])
                else:
                    self._ledger.recovered(key)
                del self._changed[key]
            return call()

        return self._writing.tried(all_of_it)


class _Way:
    """One way of using the ledger: left alone for a while after it has failed."""

    def __init__(self, use: str) -> None:
        self._use, self._again, self.trouble = use, 0.0, ""

    def tried(self, call: Callable[[], T]) -> T | None:
        """What the call returns; None if the ledger cannot be used."""
        if self.trouble and monotonic() < self._again:
            return None
        try:
            done = call()
        except Conflict:
            self.trouble = ""
            raise
        except StoreError as error:
            if not self.trouble:
                logger.warning("%s", error)
            self.trouble, self._again = f"the ledger of runs cannot be {self._use} ({error.found})", monotonic() + PAUSE
            return None
        self.trouble = ""
        return done


def _same(one: Run, other: Run) -> bool:
    return (one.job, one.slot, one.attempt, one.owner) == (other.job, other.slot, other.attempt, other.owner)
