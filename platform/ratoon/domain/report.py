"""What a refresh did, stage by stage, for people and scripts."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from ratoon.domain.costs import Costs
from ratoon.domain.drift import Drift
from ratoon.domain.gate import GatePolicy, Verdict
from ratoon.domain.labels import Untaught
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.quality import Truth
from ratoon.domain.upkeep import Upkeep
from ratoon.domain.window import Window

Outcome = Literal["published", "tried", "rehearsed", "skipped", "refused", "held"]

COMPARED = 20
"""The newest runs of a scope that tell what it costs."""

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a refresh: wall and CPU seconds, and how many rows it handled."""

    name: str
    seconds: float
    cpu_seconds: float
    rows: int


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """The whole refresh.

    Attributes:
        release: the id that is current now; empty if there is none.
        drift: of each input of the window against what the release before it learnt; empty without one.
        losses: of the candidate, see `losses`; empty if nothing was learnt.
        gate: what was asked of the candidate.
        truth: what the release before it was worth on the window; None without one.
        untaught: what of the window was not learnt.
        upkeep: what the operation that made the candidate says of itself; None if no operation did.
    """

    surface: str
    outcome: Outcome
    release: str
    sequence: int
    plan: RefreshPlan
    window: Window | None
    verdict: Verdict | None
    stages: tuple[Stage, ...]
    drift: tuple[Drift, ...] = ()
    losses: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    gate: GatePolicy = field(default_factory=GatePolicy)
    truth: Truth | None = None
    untaught: Untaught = field(default_factory=Untaught)
    upkeep: Upkeep | None = None

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all stages together."""
        return sum(stage.cpu_seconds for stage in self.stages)

    def brief(self) -> "RefreshReport":
        """The same without the ids of writable items and without cursors, which are as many as items and files."""
        window = replace(self.window, cursors={}) if self.window else None
        return replace(self, plan=replace(self.plan, writable=()), window=window)


@dataclass(frozen=True, slots=True)
class Run:
    """A refresh as it is kept for people. Of what decides only the budget of a plan reads it: what was spent.

    Attributes:
        number: 1 for a surface's first run, one more for each later one.
        finished: when, by the machine's clock; UTC.
        parent: the id of the release it started from; empty if there was none.
        files: file name -> bytes, of the release it published; empty if it published none.
        report: what happened, brief.
    """

    number: int
    finished: datetime
    parent: str
    files: Mapping[str, int]
    report: RefreshReport

    @property
    def rows(self) -> int:
        """The interactions that features were joined to."""
        return sum(stage.rows for stage in self.report.stages if stage.name == "join")


def costs(runs: Iterable[Run], now: datetime) -> Costs:
    """What a surface's refreshes cost.

    Args:
        runs: newest first.
        now: the end of the day whose runs count as spent. A run was when the newest event that it saw arrived, so that the
            same work done again finds the same.
    """
    scopes: dict[str, list[tuple[int, float]]] = {}
    spent = 0.0
    for run in runs:
        report = run.report
        if report.window is not None and now - DAY < report.window.as_of <= now:
            spent += report.cpu_seconds
        if report.outcome != "held" and (report.outcome == "skipped") == (report.plan.scope == "skip"):
            scopes.setdefault(report.plan.scope, []).append((run.rows, report.cpu_seconds))
    return Costs({scope: measured[:COMPARED] for scope, measured in scopes.items()}, spent)


def losses(about: bytes, stages: Sequence[Stage]) -> dict[str, tuple[float, ...]]:
    """The mean loss of each pass, `train` and `fit`, and the `gain` of the fit rows, from a model's `model.json`.

    A model that was taught nothing carries the losses of its parent's refresh: none are given then.
    """
    taught = any(stage.name == "train" and stage.rows for stage in stages)
    return {name: tuple(curve) for name, curve in json.loads(about)["losses"].items()} if taught else {}


@dataclass(slots=True)
class Stopwatch:
    """Times the stages of one refresh; `show` hears the name of each as it begins.

    The clocks are arguments so that this module has none.
    """

    wall: Callable[[], float]
    cpu: Callable[[], float]
    show: Callable[[str], None] = lambda _: None
    stages: list[Stage] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator["Rows"]:
        """Time the body; the body may say how many rows it handled."""
        self.show(name)
        rows = Rows()
        wall, cpu = self.wall(), self.cpu()
        yield rows
        self.stages.append(Stage(name, self.wall() - wall, self.cpu() - cpu, rows.count))


@dataclass(slots=True)
class Rows:
    """How many rows a stage handled."""

    count: int = 0
