"""The whole loop on one world: the past is learnt, the rest arrives through the API slice by slice.

Four policies answer the same questions at the same moments, all through the API and with equally fresh features: never
refreshed, retrained from nothing after every slice, live popularity, and Ratoon. Before an interaction is posted, each
is asked for 50 candidates for its user; recall@50 is how often the item is among them.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from ratoon import config
from ratoon.bench.api import Api, asking, in_order
from ratoon.domain.report import RefreshReport
from ratoon.refresh import refresh
from ratoon.wiring import House

K = 50
PAST = 0.6
"""The share of the events, in time order, that is history."""

POLICIES = ("never refreshed", "full retrain", "live popularity", "Ratoon")
SURFACES = {"never refreshed": "never", "full retrain": "full", "Ratoon": "default"}

LABELS = {surface: policy for policy, surface in SURFACES.items()}

CONFIG = """# Written by the demo: three surfaces over the same features, and a clock that follows the events.
[paths]
home = "."
feature_repo = "{feature_repo}"

[serving]
log_level = "warning"

[clock]
mode = "log"

[surfaces.default]

[surfaces.never]

[surfaces.full]
"""

Tell = Callable[[str, float], None]
"""Hears what is being done, and the share of it that is done."""


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice showed: policy -> recall@50 on its interactions, and CPU seconds spent by each policy so far."""

    number: int
    questions: int
    recall: dict[str, float]
    cpu_seconds: dict[str, float]


@dataclass
class Loop:
    """One run.

    Attributes:
        folder: an empty folder for all state.
        events: the world (EVENT_SCHEMA), in time order.
        slices, questions: how many slices, and how many interactions of each are asked about.
    """

    folder: Path
    feature_repo: Path
    events: pa.Table
    tell: Tell
    slices: int = 4
    questions: int = 250
    cpu: dict[str, float] = field(default_factory=lambda: dict.fromkeys(POLICIES, 0.0))

    def __post_init__(self) -> None:
        """Write the configuration and open the rooms."""
        file = self.folder / "ratoon.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(CONFIG.format(feature_repo=self.feature_repo))
        self.environment = {**os.environ, config.CONFIG: str(file), "OMP_NUM_THREADS": "1"}
        self.environment.pop(config.HOME, None)
        self.house = House(config.load(file, environment=self.environment))

    @property
    def cut(self) -> int:
        """How many events are history."""
        return int(self.events.num_rows * PAST)

    def bootstrap(self) -> RefreshReport:
        """Learn the past; all three surfaces start from the same model."""
        self.tell("appending history to the event log", 0.0)
        self.house.log.append(self.events.slice(0, self.cut), backfill=True)
        features = self.house.features("default")
        self.tell("history -> offline features", 0.1)
        features.ingest()
        self.tell("offline -> online features", 0.3)
        features.materialize()
        self.tell("joining features to interactions", 0.4)
        report = self.refresh("default")
        registry = self.house.registry("default")
        first = registry.current()
        assert first is not None
        for surface in ("never", "full"):
            other = self.house.registry(surface)
            other.publish(replace(first, surface=surface, sequence=0), registry.load(first))
        return report

    def refresh(self, surface: str, scope: str | None = None) -> RefreshReport:
        """One refresh in this process."""
        policy = LABELS[surface]
        shop = self.house.workshop(surface, lambda what, share: self.tell(f"{policy}: {what}", share))
        watch = self.house.stopwatch(lambda stage: self.tell(f"{policy}: {stage}", 0.0))
        return refresh(shop, watch, "full" if scope == "full" else None)

    def play(self, api: Api, user_id: str) -> Iterator[Slice]:
        """Post the rest of the world slice by slice; after each slice refresh, and wait until the server serves it."""
        bounds = np.linspace(self.cut, self.events.num_rows, self.slices + 1).astype(int)
        for number, (start, stop) in enumerate(pairwise(bounds.tolist()), 1):
            hits = self._ask(api, self.events.slice(start, stop - start), f"slice {number}")
            with asking(api, user_id):
                ours = self.refresh("default")
                api.await_release("default", ours.sequence)
                theirs = self.refresh("full", "full")
                api.await_release("full", theirs.sequence)
            # Both learn from the same joined rows; the join is done once, and charged to each of them.
            shared = sum(stage.cpu_seconds for stage in ours.stages if stage.name in ("ingest", "join"))
            self.cpu["Ratoon"] += ours.cpu_seconds
            self.cpu["full retrain"] += theirs.cpu_seconds + shared
            recall = {policy: float(np.mean(found)) for policy, found in hits.items()}
            yield Slice(number, len(hits["Ratoon"]), recall, dict(self.cpu))

    def _ask(self, api: Api, events: pa.Table, what: str) -> dict[str, list[bool]]:
        """Ask every policy about evenly spread interactions, each just before it is posted with all that led up to it."""
        positions = in_order(events)
        chosen = [positions[i] for i in np.linspace(0, len(positions) - 1, min(self.questions, len(positions))).astype(int)]
        users, items = events.column("user_id"), events.column("item_id")
        hits: dict[str, list[bool]] = {policy: [] for policy in POLICIES}
        posted = 0
        for done, position in enumerate(chosen):
            api.post(events.slice(posted, position - posted))
            posted = position
            user, item = users[position].as_py(), items[position].as_py()
            for policy, surface in SURFACES.items():
                hits[policy].append(item in api.items(user, surface, K))
            hits["live popularity"].append(item in api.items(user, "default", K, source="popular"))
            self.tell(f"{what}: {events.num_rows} events arrive through the API", done / len(chosen))
        api.post(events.slice(posted))
        return hits

    def command(self, *arguments: str, fault: str = "") -> subprocess.CompletedProcess[bytes]:
        """`ratoon ...` in a process of its own, dying by SIGKILL at a fault point if one is named."""
        environment = self.environment | ({"RATOON_FAULT": fault} if fault else {})
        return subprocess.run([sys.executable, "-m", "ratoon", *arguments], env=environment, capture_output=True, check=False)


@contextmanager
def told(tell: Tell, what: str) -> Iterator[None]:
    """Say what is being done while the body does it."""
    tell(what, 0.0)
    yield
    tell(what, 1.0)
