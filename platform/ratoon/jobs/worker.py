"""`ratoon worker`: looks what is due, runs it, and says what went wrong."""

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic, sleep

from ratoon.config import Alerts
from ratoon.domain.duration import duration
from ratoon.domain.errors import Conflict, RatoonError
from ratoon.jobs import alarms
from ratoon.jobs.attempt import Attempt
from ratoon.jobs.book import STEP, Book
from ratoon.jobs.due import Decision
from ratoon.jobs.telling import Herald
from ratoon.jobs.told import Told

LOOK = 1.0
"""Seconds between two looks at what is due."""
LEAP = 5.0
"""Seconds by which the machine's clock may differ from the one that nobody sets, between two looks, before it is said."""

logger = logging.getLogger("ratoon.jobs")


@dataclass
class Worker:
    """Runs jobs until it is told to stop.

    Attributes:
        grace: seconds that the runs under way have to end by themselves once it is told.
        most: how many runs at once.
    """

    book: Book
    alerts: Alerts
    herald: Herald
    grace: float = 30.0
    most: int = 2
    stopping: Told = field(default_factory=Told)
    _running: dict[str, Attempt] = field(default_factory=dict, init=False)
    _next: datetime | None = field(default=None, init=False)

    def run(self) -> None:
        """Until `stopping` is set; then the runs under way end, or are ended after the grace."""
        looked, clock = -LOOK, self.book.now()
        while not self.stopping.wait(self.rest()):
            self._step()
            if monotonic() - looked >= LOOK or self._until_next() <= 0:
                passed, before = monotonic() - looked, clock
                looked, clock = monotonic(), self.book.now()
                self._leapt(clock - before, passed)
                self.look()
        self._wind_up()

    def rest(self) -> float:
        """Seconds until there is anything to do."""
        return STEP if self._running else max(0.0, min(LOOK / 4, self._until_next()))

    def _until_next(self) -> float:
        """Seconds until a schedule has its next slot, as far as the last look knows: nobody waits for the look after it."""
        return (self._next - self.book.now()).total_seconds() if self._next else LOOK

    def look(self) -> None:
        """Start what is due and there is room for, and tell what is wrong."""
        self._next = None
        try:
            decisions = {name: self.book.decided(name) for name in self.book.jobs}
            self._next = min((decision.next for decision in decisions.values() if decision.next), default=None)
            wrong = alarms.of_all(self.book, self.alerts, decisions)
            for name, decision in decisions.items():
                if decision.slot and name not in self._running and len(self._running) < self.most:
                    self._begin(name, decision)
            self.book.notes.settle()
            if trouble := self.book.notes.trouble:
                wrong["ledger"] = f"{trouble}: jobs run all the same, without a claim"
            self.herald.look(wrong, self.book.now())
        except RatoonError as error:  # a store that is down comes back; those of the jobs that are under way go on
            logger.error("%s", error, extra={"alert": "worker"})

    def _begin(self, name: str, decision: Decision) -> None:
        try:
            self._running[name] = attempt = self.book.begun(name, decision)
        except Conflict as taken:
            logger.debug("job %s waits: %s", name, taken.found)
        else:
            logger.info("job %s: run %s begins: %s", name, attempt.run.id, decision.reason)

    def _step(self) -> None:
        for name, attempt in list(self._running.items()):
            try:
                ended = attempt.step()
            except RatoonError as error:
                logger.error("job %s: what became of run %s could not be found out: %s", name, attempt.run.id, error)
                del self._running[name]
                continue
            if ended:
                del self._running[name]
                level = logging.INFO if ended.status in ("ok", "stopped") else logging.WARNING
                told = f"{ended.verdict or ended.status} after {duration(ended.seconds)}: {ended.reason}"
                logger.log(level, "job %s: run %s %s", name, ended.id, told)

    def _leapt(self, by_machine: timedelta, passed: float) -> None:
        leap = by_machine.total_seconds() - passed
        if abs(leap) > LEAP and passed < 60:
            logger.warning("the machine's clock leapt by %+.0f s; slots are those of the clock as it is now", leap)

    def _wind_up(self) -> None:
        if self._running:
            logger.info("told to stop: %d runs have %s to end", len(self._running), duration(self.grace))
        told = monotonic()
        while self._running:
            if monotonic() - told > self.grace:
                for attempt in self._running.values():
                    attempt.stop()
            self._step()
            sleep(STEP)
        self.herald.close()
        self.book.notes.settle()
