"""What a refresh did, stage by stage, for people and scripts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from ratoon.domain.drift import Drift
from ratoon.domain.gate import Verdict
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.window import Window

Outcome = Literal["published", "skipped", "refused", "held"]


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
        lag_seconds: from the arrival of the window's last event to the end of the refresh, on the configured clock.
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

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all stages together."""
        return sum(stage.cpu_seconds for stage in self.stages)


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
