"""History replayed day by day: each event is a question to whatever a policy serves at that moment, and is learnt after that.

Every policy has a home of its own, a copy of one that has learnt what came before, and is refreshed by the same flow as live
ones are, at its own times; the CPU seconds of these refreshes, ingest included, are what it costs. Questions have the features
of just before each event and items get there at their first moment, for every policy alike: what differs is what was learnt.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from ratoon import config
from ratoon.bench.backtests.history import History
from ratoon.bench.refreshes.asking import Asked, Opened, ranks
from ratoon.bench.refreshes.home import newcomers
from ratoon.domain.labels import LabelPolicy
from ratoon.domain.popularity import Timeline
from ratoon.domain.report import RefreshReport
from ratoon.judging import questions
from ratoon.refresh import refresh
from ratoon.wiring import House
from ratoon.workshop import opened

K = 50

Tell = Callable[[str, float], None]
"""Hears what is being done, and the share of it that is done."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """One refresh of a policy: when, what came of it, and CPU seconds."""

    moment: datetime
    outcome: str
    scope: str
    reason: str
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Day:
    """One day.

    Attributes:
        begins: the moment; it is a day later when the next one does.
        users, weights: whose question each event of the day is, and what it counts; n of them, the same for every policy.
        hits: policy -> per question whether its item was among the K that the policy would have shown.
        refreshed: policy -> its refreshes of that day.
    """

    begins: datetime
    users: tuple[str, ...]
    weights: tuple[float, ...]
    hits: Mapping[str, tuple[bool, ...]]
    refreshed: Mapping[str, tuple[Refreshed, ...]]


def replay(
    folder: Path, settings: config.Settings, surface: str, past: History, policies: Mapping[str, config.Policy], tell: Tell
) -> Iterator[Day]:
    """Replay the days of a history, one after the other.

    Args:
        folder: an empty folder for all state.
        settings: whose features, training and gate all policies share.
    """
    start = past.place(past.begins)
    tell("what came before is learnt", 0.0)
    base = _Home(folder / "base", settings, surface, config.Policy(), past)
    base.load(start)
    base.refresh(past.begins)
    base.close()
    homes: dict[str, _Home] = {}
    for name, policy in {"": config.Policy(), **policies}.items():
        place = folder / f"home-{len(homes)}"
        shutil.copytree(folder / "base", place)
        homes[name] = _Home(place, settings, surface, policy, past, start)
    judge = homes.pop("")
    for number in range(past.days):
        yield _day(judge, homes, number, tell)


def _day(judge: "_Home", homes: Mapping[str, "_Home"], number: int, tell: Tell) -> Day:
    begins = judge.past.begins + timedelta(days=number)
    ends, share = begins + timedelta(days=1), number / judge.past.days
    tell(f"day {number + 1}: its events", share)
    asked, weights = judge.questions(ends)
    refreshed: dict[str, tuple[Refreshed, ...]] = {}
    hits: dict[str, tuple[bool, ...]] = {}
    for name, home in homes.items():
        sheet = _Sheet(home, asked)
        found = []
        for moment in home.due(begins, ends):
            sheet.upto(home.arrive(moment))
            tell(f"day {number + 1}: {name} at {moment:%d %b %H:%M}", share)
            found.append(home.refresh(moment))
        sheet.upto(home.arrive(ends))
        refreshed[name], hits[name] = tuple(found), sheet.answered()
    users: list[str] = asked.users.column("user_id").to_pylist()
    return Day(begins, tuple(users), weights, hits, refreshed)


@dataclass
class _Sheet:
    """The day's questions to one policy, asked all at once for as long as the same release answers."""

    home: "_Home"
    asked: Asked
    done: int = 0
    until: int = 0
    release: Opened | None = None
    ranks: list[int] = field(default_factory=list)

    def upto(self, position: int) -> None:
        """What happened up to a position is asked of what is served now."""
        served = self.home.served()
        if self.release is not None and served is not self.release:
            self._ask()
        self.release, self.until = served, int(np.searchsorted(self.asked.offsets, position, side="right"))

    def answered(self) -> tuple[bool, ...]:
        """Whether each question's item was among the candidates."""
        self._ask()
        return tuple(rank < K for rank in self.ranks)

    def _ask(self) -> None:
        if self.release is not None and self.until > self.done:
            some = slice(self.done, self.until)
            few = self.asked.users.slice(self.done, self.until - self.done)
            part = Asked(few, self.asked.hidden[some], self.asked.offsets[some], self.asked.late, self.asked.timeline)
            self.ranks += ranks(self.release, part, self.home.shop.features.schema(), K)
            self.done = self.until


class _Home:
    """One policy's rooms, in a folder of their own.

    Args:
        start: how many events its log has.
    """

    def __init__(
        self, folder: Path, settings: config.Settings, surface: str, policy: config.Policy, past: History, start: int = 0
    ) -> None:
        paths = settings.paths.model_copy(update={"home": folder})
        told = {"paths": paths, "clock": config.Clock(mode="log"), "events": config.Events(), "plan": policy.plan}
        self.house = House(settings.model_copy(update={**told, "drift": policy.drift}))
        self.shop = self.house.workshop(surface)
        self.past, self.every, self._arrived = past, timedelta(seconds=policy.every), start
        self._served: tuple[str, Opened] | None = None

    @property
    def labels(self) -> LabelPolicy:
        """What counts on the surface."""
        return self.shop.labels

    def load(self, stop: int) -> None:
        """What came before, into an empty log."""
        self.house.log.load([self.past.events.slice(0, stop)])
        self._arrived = stop

    def close(self) -> None:
        """Let go of the log, so that its files can be copied."""
        self.house.log.close()

    def due(self, begins: datetime, ends: datetime) -> Iterator[datetime]:
        """When this policy is to refresh after one moment up to another."""
        first = (begins - self.past.begins) // self.every + 1
        moment = self.past.begins + first * self.every
        while moment <= ends:
            yield moment
            moment += self.every

    def arrive(self, moment: datetime) -> int:
        """Everything before a moment is in the log; how much that is."""
        stop = self.past.place(moment)
        if stop > self._arrived:
            self.house.log.append(self.past.events.slice(self._arrived, stop - self._arrived), backfill=True)
            self._arrived = stop
        return stop

    def refresh(self, moment: datetime) -> Refreshed:
        """One refresh, in this process."""
        begun = time.process_time()
        report: RefreshReport = refresh(self.shop, self.house.stopwatch())
        spent = time.process_time() - begun
        return Refreshed(moment, report.outcome, report.plan.scope, report.plan.reason, spent)

    def served(self) -> Opened:
        """What is served now, opened once."""
        release = self.shop.registry.current()
        assert release is not None
        if self._served is None or self._served[0] != release.id:
            pair = opened(self.shop, release)
            self._served = release.id, Opened(pair.model, pair.towers, pair.index, pair.upto)
        return self._served[1]

    def questions(self, ends: datetime) -> tuple[Asked, tuple[float, ...]]:
        """What happens up to a moment, as questions with the features of just before each, and what each counts."""
        start = self._arrived
        stop = self.arrive(ends)
        self.shop.features.ingest()
        window = replace(self.shop.features.window(None), start=start, end=stop)
        rows = self.shop.features.delta(window, window, ()).interactions
        right = questions(self.shop.log, rows, self.labels)
        late = newcomers(self.shop, rows, window, set(self.served().index.ids()))
        asked = Asked(
            right.rows, list(right.hidden), right.offsets, late, _timeline(self.past.events.slice(0, stop), self.labels)
        )
        return asked, tuple(right.rows.column("weight").to_pylist())


def _timeline(events: pa.Table, labels: LabelPolicy) -> Timeline:
    """Everything that counted, by offset."""
    rows = events.select(["kind", "type", "user_id", "item_id"]).to_pydict()
    told = zip(rows["kind"], rows["type"], rows["user_id"], rows["item_id"], strict=True)
    counted = labels.types
    return Timeline.of(
        [
            (offset, user, item)
            for offset, (kind, sort, user, item) in enumerate(told, 1)
            if kind == "interaction" and (counted is None or sort in counted)
        ]
    )
