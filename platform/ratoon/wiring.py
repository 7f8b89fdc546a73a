"""Settings -> rooms: the only place that opens them. Heavy libraries are imported by the function that needs them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ratoon.config import Settings, processes
from ratoon.domain.drift import Drift, from_bytes, renamed
from ratoon.domain.report import Stopwatch
from ratoon.events import RefusedEvents, SqliteEventLog, open_log
from ratoon.index import Choice, FaissIndexes, TensorIndexes, chosen, processor_for_mapped
from ratoon.registry import FileRegistry
from ratoon.towers import open_towers

if TYPE_CHECKING:
    from ratoon.domain.embedding import Vectors
    from ratoon.features.deltas import Changed
    from ratoon.features.evolution import Evolution
    from ratoon.features.online import OnlineUsers
    from ratoon.features.parity import Parity
    from ratoon.features.quality.accepted import Accepted
    from ratoon.features.quality.freshness import Freshness
    from ratoon.features.quality.releasing import Quarantine
    from ratoon.features.retained import Retained
    from ratoon.features.store import FeastFeatures
    from ratoon.features.vectors.publishing import Vectored
    from ratoon.features.views import View
    from ratoon.ports import Indexes, PostedItems
    from ratoon.training import Group
    from ratoon.workshop import Workshop

Progress = Callable[[str, float], None]
"""Hears what is being done, and how much of it is done, from 0 to 1."""


def _encoded(weights: Path, threads: int, texts: Sequence[str]) -> "Vectors":
    """Vectors of texts; torch is imported when the first one comes."""
    from ratoon.training.sentences import opened

    return opened(weights).vectors(texts, threads)


@dataclass(frozen=True)
class House:
    """The rooms of one home, each opened when it is first asked for; in a server, which `answers`, the log is not `checked`."""

    settings: Settings
    answers: bool = False

    @property
    def home(self) -> Path:
        """Where all state lives."""
        return self.settings.paths.home

    @cached_property
    def log(self) -> SqliteEventLog:
        """The event log."""
        return open_log(self.home / "events.sqlite", self.settings, lambda: datetime.now(UTC), checked=not self.answers)

    @property
    def refused(self) -> RefusedEvents:
        """Events that were posted and broke a rule."""
        return RefusedEvents(self.home / "refused.sqlite")

    @cached_property
    def accepted(self) -> "Accepted":
        """The event log without what is quarantined; newer events are judged on the spot."""
        from ratoon.features.quality.accepted import Accepted

        return Accepted(self.log, self.home / "features")

    def log_of(self, surface: str) -> "Accepted":
        """`accepted` as a surface sees it: by the types of interactions that count there."""
        return replace(self.accepted, types=self.settings.surface(surface).labels(self.settings.training.objective).types)

    @cached_property
    def indexes(self) -> FaissIndexes:
        """FAISS, if exactly one distribution of it is installed."""
        return FaissIndexes(self.settings.index.policy, mapped=self.mapped_indexes)

    @property
    def mapped_indexes(self) -> Path | None:
        """Where servers make the files that they map their indexes from; None if each holds its own."""
        return self.home / "cache" / "index" if self.settings.index.mapped else None

    @property
    def index_device(self) -> Choice:
        """Where a server's index lies, and why; UsageError if it is to lie where it cannot."""
        wanted = self.settings.index
        return processor_for_mapped(wanted.device) if wanted.mapped else chosen(wanted.device)

    def served_indexes(self) -> "Indexes":
        """Indexes as a server opens them: on a GPU, or FAISS's in as many copies as readers need who do not wait."""
        return TensorIndexes(self.settings.index.policy) if self.index_device.device == "cuda" else self.indexes.shared()

    def registry(self, surface: str) -> FileRegistry:
        """A surface's releases."""
        self.settings.surface(surface)
        return FileRegistry(self.home / "releases", surface, present=lambda: self.accepted.now())

    def features(self, surface: str) -> "FeastFeatures":
        """Feast, as a surface uses it."""
        from ratoon.features.folds import texts
        from ratoon.features.store import open_features

        policy = self.settings.surface(surface)
        services = {"user_service": policy.user_service, "item_service": policy.item_service}
        paths, weights = self.settings.paths, texts.weights()
        encoder = partial(_encoded, weights, self.settings.training.threads) if weights else None
        return open_features(paths.feature_repo, self.home, self.log, **services, guard=self._refuse_drops, encoder=encoder)

    def _refuse_drops(self, wanted: "tuple[View, ...]") -> None:
        """Raise if views that are about to be applied lack what a retained release reads."""
        from ratoon.features import retained

        retained.refuse(retained.drops(self.applied(), wanted, self._retained()))

    def applied(self) -> "tuple[View, ...] | None":
        """The applied repository's views; None before one is."""
        from ratoon.features import views

        return views.load(written) if (written := self.home / "features" / "views.json").exists() else None

    def _retained(self) -> "list[Retained]":
        """Every release of every surface that is current or can be rolled back to, newest first."""
        from ratoon.features.retained import Retained

        return [
            Retained(surface, release.id, release.sequence, number == 0, registry.schema(release))
            for surface, registry in ((name, self.registry(name)) for name in self.settings.surfaces)
            for number, release in enumerate(registry.releases())
        ]

    def evolutions(self) -> "list[Evolution]":
        """What feature_repo/ as it is now means for each surface; nothing is applied."""
        from ratoon.features import retained
        from ratoon.features.evolution import evolve
        from ratoon.features.repository import FeastRepository

        defined = FeastRepository(self.settings.paths.feature_repo, self.home).parsed()
        applied, releases = self.applied(), self._retained()
        lost = retained.drops(applied, defined.views, releases)
        current = {release.surface: release for release in releases if release.current}
        return [
            evolve(name, (one.user_service, one.item_service), defined, applied or (), current.get(name), self.accepted, lost)
            for name, one in self.settings.surfaces.items()
        ]

    def parity(self, n: int, seed: int) -> "Parity":
        """Compare up to n users and n items offline and online."""
        from ratoon.features.parity import parity

        surface = next(iter(self.settings.surfaces))
        return parity(self.features(surface).repository, self.accepted, n, np.random.default_rng(seed))

    def publish_vectors(self, surface: str, release: str | None, *, users: bool) -> "list[Vectored]":
        """Write the item vectors, and the users', of a release (the current one by default) into Feast."""
        from ratoon.features.vectors.release import publish_release

        registry, features = self.registry(surface), self.features(surface)
        chosen = registry.get(release)
        files = registry.load(chosen)
        if users:
            features.ingest()
        towers, schema = open_towers(files) if users else None, registry.schema(chosen)
        return publish_release(features.repository, self.accepted, chosen, self.indexes.load(files), towers, schema)

    def retire_vectors(self, surface: str, space: str) -> "list[Vectored]":
        """End a vector space whose consumers have moved on."""
        from ratoon.features.vectors.release import retire_space

        current, repository = self.registry(surface).get(None), self.features(surface).repository
        return retire_space(repository, current, space, self.accepted.now())

    def apply(self, *, allow_drop: bool) -> bool:
        """Apply feature_repo/ now instead of with the next command that needs it; whether anything was done."""
        from ratoon.features.repository import FeastRepository

        guard = () if allow_drop else (self._refuse_drops,)
        return FeastRepository(self.settings.paths.feature_repo, self.home, *guard).apply()

    @staticmethod
    def stopwatch(show: Callable[[str], None] = lambda _: None) -> Stopwatch:
        """A stopwatch on this process's clocks."""
        return Stopwatch(time.perf_counter, time.process_time, show)

    def drifts(self, surface: str) -> tuple[Drift, ...]:
        """How far the inputs since a surface's current release are from what it learnt; none before there is one."""
        from ratoon.workshop import PROFILE

        registry, features = self.registry(surface), self.features(surface)
        if (current := registry.current()) is None:
            return ()
        features.ingest()
        files = renamed(registry.load(current))
        known = from_bytes(files[PROFILE]) if PROFILE in files else ()
        delta = features.delta(features.window(current.window), current.window, ())
        return features.drifts(known, delta.interactions)

    @property
    def quarantine(self) -> "Quarantine":
        """What breaks the rules of feature_repo/, and the ways in and out."""
        from ratoon.features.quality.releasing import Quarantine

        return Quarantine(self.log, self.home / "features" / "quarantine")

    def freshness(self) -> "list[Freshness]":
        """How old each view's newest rows are."""
        from ratoon.features.quality.freshness import freshness

        return freshness(self.home / "features", self.accepted.now())

    def feature_ages(self) -> list[tuple[str, str, float]]:
        """(view, `offline` or `online`, seconds since its newest event time), where there is a row."""
        return [(one.view, store, age) for one in self.freshness() for store, age in one.ages if age is not None]

    def online(self) -> "OnlineUsers":
        """User features at request time."""
        from ratoon.features.online import OnlineUsers

        return OnlineUsers(self.home / "features", self.accepted)

    def feature_check(self) -> Callable[[Mapping[str, object]], None]:
        """What refuses features that the repository as it is applied now does not have; before one is applied, nothing."""
        from ratoon.features.folds import derive

        return partial(derive.check, views=self.applied() or ())

    @property
    def posted_items(self) -> "PostedItems":
        """What items' own events say of them."""
        from ratoon.features.online.posted import posted

        return partial(posted, self.home / "features" / "views.json", self.accepted)

    def changed(self, view: str, since: str | None) -> "Changed":
        """What came and went in a view of the applied repository since a position (JSON), or since the beginning."""
        from ratoon.features import deltas, views

        position = deltas.Position.from_json(since) if since is not None else None
        folder = self.home / "features"
        return deltas.changed(views.named(folder / "views.json", view), position, folder / "deltas")

    @cached_property
    def _group(self) -> "Group | None":
        """The processes that train together, where torchrun started several."""
        if (started := processes()).world == 1:
            return None
        from ratoon.training import Group

        return Group(started.rank, started.world, started.local, self.settings.training.device)

    def leading(self) -> AbstractContextManager[bool]:
        """Whether this process runs the flow; see `ratoon.training.leading`. One alone always does."""
        if self._group is None:
            return nullcontext(True)
        from ratoon.training import leading

        return leading(self._group)

    def workshop(self, surface: str, progress: Progress = lambda _what, _share: None) -> "Workshop":
        """Everything that makes a surface's releases."""
        from ratoon.features.folds.texts import weights
        from ratoon.training import ParallelTrainer, SentenceTower, TrainingSettings, TwoTowerTrainer
        from ratoon.workshop import Workshop

        training, gate, served = self.settings.training, self.settings.gate, self.settings.surface(surface)
        taught = TrainingSettings(**training.model_dump(exclude={"seed", "replay_half_life"}))
        group, known = self._group, (taught, training.seed, progress)
        kept = self.home / "releases" / surface / "training"
        trainer = ParallelTrainer(*known, group) if group else TwoTowerTrainer(*known, folder=kept)
        return Workshop(
            surface=surface,
            log=replace(self.log_of(surface), sifted_only=True),
            features=self.features(surface),
            trainer=trainer,
            open_towers=open_towers,
            indexes=self.indexes,
            registry=self.registry(surface),
            gate=gate.policy(self.settings.drift.policy),
            seed=training.seed,
            labels=served.labels(training.objective),
            plan=self.settings.plan.policy,
            caps=served.caps,
            unit=taught.temperature if taught.objective == "softmax" else 1.0,
            gate_rows=gate.rows,
            half_life=training.replay_half_life,
            runs=self.registry(surface).runs.all,
            elsewhere=lambda home, name: FileRegistry(home / "releases", name),
            texts=SentenceTower(encoder, training.threads) if (encoder := weights()) else None,
        )
