"""What a refresh costs: CPU seconds over the size of the delta, beside a retrain's, and from 1,000 events to a release.

Each delta starts from its own copy of the same home, so that nothing was joined or embedded for another one before.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ratoon import data
from ratoon.bench.refreshes.home import Home, Tell
from ratoon.bench.refreshes.worlds import Kind, World

DELTAS = (0.0025, 0.005, 0.01, 0.02, 0.04)
"""Sizes, as shares of the history that the parent has learnt."""

ONE_PERCENT = 0.01
USERS, ITEMS, EVENTS, DELTA = 20_000, 100_000, 200_000, 1_000
"""The made-up world in which 1,000 events become a release."""


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds on one core, from events that arrive to a published release.

    Attributes:
        events, refresh: of each delta, its size and the CPU seconds.
        one_percent: the seconds of the delta of 1 %.
        retrain: of the retrain on the history and that delta, features not counted.
    """

    events: tuple[int, ...]
    refresh: tuple[float, ...]
    one_percent: float
    retrain: float

    @property
    def line(self) -> tuple[float, float, float]:
        """Least squares: seconds per event, seconds of a delta without events, and the share of variance explained."""
        slope, fixed = np.polyfit(self.events, self.refresh, 1)
        left = np.array(self.refresh) - (slope * np.array(self.events) + fixed)
        spread = float(np.var(self.refresh))
        return float(slope), float(fixed), 1.0 - float(np.var(left)) / spread if spread else 1.0


@dataclass(frozen=True, slots=True)
class Fresh:
    """From acknowledged events to a published release, process start not counted."""

    events: int
    items: int
    cpu_seconds: float
    seconds: float


def costs(base: Path, feature_repo: Path, world: World, best: str, tell: Tell) -> Costs:
    """Measure deltas of all sizes from `base`, a home whose current release has learnt the history.

    Args:
        best: which retrain to set beside: scratch, window or warm epoch.
    """
    history = world.bounds[0]
    sizes = [max(1, round(history * share)) for share in DELTAS]
    _delta(base, feature_repo, world, sizes[0], tell)  # what the first refresh of a process loads is no delta's
    seconds = [_delta(base, feature_repo, world, size, tell) for size in sizes]
    with _Copy(base) as folder:
        tell(f"cost: {best} retrain", 0.0)
        home = Home(folder, feature_repo, world, 1, 0, tell)
        stop = history + sizes[DELTAS.index(ONE_PERCENT)]
        home.append(history, stop)
        window, rows = home.joined(0, stop)
        taught = rows.slice(rows.num_rows // 2) if best == "window" else rows
        parent = home.current("rows")[1].files if best == "warm epoch" else None
        retrain = home.retrained("dense" if parent else "full", parent, taught, window)[1]
    return Costs(tuple(sizes), tuple(seconds), seconds[DELTAS.index(ONE_PERCENT)], retrain)


def fresh(scratch: Path, feature_repo: Path, scale: float, tell: Tell) -> Fresh:
    """Bootstrap a made-up world, then time what turns its last events into a release."""
    tell("freshness: making a world up", 0.0)
    items = int(ITEMS * scale)
    events = data.synth(int(USERS * scale), items, int(EVENTS * scale), 0)
    world = World("synth", Kind(), events, (events.num_rows - DELTA, events.num_rows))
    home = Home(scratch / "fresh", feature_repo, world, 1, 0, tell)
    home.append(0, world.bounds[0])
    home.bootstrap()
    catalogue = len(home.current("rows")[1].index)
    wall, cpu = time.perf_counter(), time.process_time()
    home.append(*world.bounds)
    home.refresh("rows", "rows")
    return Fresh(DELTA, catalogue, time.process_time() - cpu, time.perf_counter() - wall)


def _delta(base: Path, feature_repo: Path, world: World, size: int, tell: Tell) -> float:
    with _Copy(base) as folder:
        tell(f"cost: a delta of {size:,} events", 0.0)
        home = Home(folder, feature_repo, world, 1, 0, tell)
        home.current("rows")
        begun = time.process_time()
        home.append(world.bounds[0], world.bounds[0] + size)
        home.refresh("rows", "rows")
        return time.process_time() - begun


class _Copy:
    """A copy of a home, gone when the body ends."""

    def __init__(self, base: Path) -> None:
        self._base, self._folder = base, base.with_name("copy")

    def __enter__(self) -> Path:
        shutil.copytree(self._base, self._folder)
        return self._folder

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)
