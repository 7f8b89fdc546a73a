"""Settings -> rooms: the only place that opens them. Heavy libraries are imported by the function that needs them."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ratoon.config import Settings
from ratoon.domain.gate import GatePolicy
from ratoon.domain.report import Stopwatch
from ratoon.events import SqliteEventLog
from ratoon.index import FaissIndexes, refuse_two_faiss
from ratoon.registry import FileRegistry
from ratoon.towers import open_towers

if TYPE_CHECKING:
    from ratoon.features.online import OnlineUsers
    from ratoon.features.store import FeastFeatures
    from ratoon.refresh import Workshop

Progress = Callable[[str, float], None]
"""Hears what is being done, and how much of it is done, from 0 to 1."""


def _silent(_what: str, _share: float) -> None:
    """Nobody is watching."""


@dataclass(frozen=True)
class House:
    """The rooms of one home, each opened when it is first asked for."""

    settings: Settings

    @property
    def home(self) -> Path:
        """Where all state lives."""
        return self.settings.paths.home

    @cached_property
    def log(self) -> SqliteEventLog:
        """The event log."""
        self.home.mkdir(parents=True, exist_ok=True)
        return SqliteEventLog(self.home / "events.sqlite", self.settings.clock.mode, lambda: datetime.now(UTC))

    @cached_property
    def indexes(self) -> FaissIndexes:
        """FAISS, if exactly one distribution of it is installed."""
        refuse_two_faiss()
        return FaissIndexes()

    def registry(self, surface: str) -> FileRegistry:
        """A surface's releases."""
        self.settings.surface(surface)
        return FileRegistry(self.home / "releases", surface)

    def features(self, surface: str) -> "FeastFeatures":
        """Feast, as a surface uses it."""
        from ratoon.features.store import open_features

        policy = self.settings.surface(surface)
        services = {"user_service": policy.user_service, "item_service": policy.item_service}
        return open_features(self.settings.paths.feature_repo, self.home, self.log, **services)

    @staticmethod
    def stopwatch(show: Callable[[str], None] = lambda _: None) -> Stopwatch:
        """A stopwatch on this process's clocks."""
        return Stopwatch(time.perf_counter, time.process_time, show)

    def online(self) -> "OnlineUsers":
        """User features at request time."""
        from ratoon.features.online import OnlineUsers

        return OnlineUsers(self.home / "features", self.log)

    def check_features(self, features: Mapping[str, object]) -> None:
        """Refuse features that the applied repository does not have; before one is applied nothing can be checked."""
        from ratoon.features import derive, views

        applied = self.home / "features" / "views.json"
        if applied.exists():
            derive.check(features, views.load(applied))

    @staticmethod
    def torch_devices() -> str:
        """What torch can compute on."""
        from ratoon.training import devices

        return devices()

    def workshop(self, surface: str, progress: Progress = _silent) -> "Workshop":
        """Everything that makes a surface's releases."""
        from ratoon.refresh import Workshop
        from ratoon.training import TrainingSettings, TwoTowerTrainer

        training, gate = self.settings.training, self.settings.gate
        trainer = TwoTowerTrainer(
            TrainingSettings(
                dim=training.dim,
                epochs=training.epochs,
                passes=training.passes,
                objective=training.objective,
                metric=training.metric,
                threads=training.threads,
            ),
            training.seed,
            progress,
        )
        return Workshop(
            surface=surface,
            log=self.log,
            features=self.features(surface),
            trainer=trainer,
            open_towers=open_towers,
            indexes=self.indexes,
            registry=self.registry(surface),
            gate=GatePolicy(k=gate.k, tolerance=gate.tolerance, index_recall=gate.index_recall),
            seed=training.seed,
            mask_seen=self.settings.surface(surface).repeat == "mask",
            gate_rows=gate.rows,
        )
