"""What a refresh asks of features, as one object: the port `Features` over Feast, the event log and the two stores."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.delta import FeatureDelta, Split
from ratoon.domain.drift import Drift, Profile
from ratoon.domain.errors import UsageError
from ratoon.domain.replay import Draw
from ratoon.domain.schema import TowerSchema
from ratoon.domain.window import Window
from ratoon.features import deltas
from ratoon.features.contract import service_references, tower_schema
from ratoon.features.folds.ingest import Progress, ingest, silent
from ratoon.features.folds.texts import Encoder
from ratoon.features.joins import Examples, items_as_of
from ratoon.features.materialize import Materialized, Told, materialize
from ratoon.features.online.migration import Migrated, migrate
from ratoon.features.quality import drift, rules
from ratoon.features.quality.accepted import Accepted, arrived
from ratoon.features.quality.foreign import inspect
from ratoon.features.quality.sift import sift
from ratoon.features.repository import FeastRepository, Guard
from ratoon.ports import WholeLog


@dataclass(frozen=True)
class FeastFeatures:
    """One surface's view of the feature repository.

    Attributes:
        user_service, item_service: the names of the surface's two FeatureServices.
        encoder: of the texts that are kept as vectors; None where there is none.
    """

    repository: FeastRepository
    log: WholeLog
    user_service: str
    item_service: str
    encoder: Encoder | None = None

    @cached_property
    def _schema(self) -> TowerSchema:
        return tower_schema(self.repository, self.user_service, self.item_service)

    @cached_property
    def _references(self) -> list[str]:
        inputs = [*self._schema.user, *self._schema.item]
        return [f"{feature.view}:{feature.name}" for feature in inputs if feature.view]

    @cached_property
    def _described(self) -> list[str]:
        return service_references(self.repository, self.item_service)

    @cached_property
    def _accepted(self) -> Accepted:
        """The log as far as it was judged, without what is quarantined."""
        return Accepted(self.log, self.repository.folder, sifted_only=True)

    @cached_property
    def _examples(self) -> Examples:
        return Examples(self.repository, self._accepted, self._schema, self._references)

    def schema(self) -> TowerSchema:
        """What the two services feed the towers now."""
        return self._schema

    def ingest(self, told: Progress = silent) -> int:
        """Apply the repository if it changed, judge what is new, then bring offline storage up to there; how many were new.

        `told` hears how many events are done, of how many.
        """
        folder, views = self.repository.folder, self.repository.views
        self._inspect()
        sift(rules.load(folder / "rules.json"), self.log, folder / "quarantine")
        return ingest(views, self._accepted, folder / "quarantine" / "values", told, self.encoder)

    def materialize(self, told: Told = lambda _view, _done, _all: None) -> list[Materialized]:
        """Bring the online store up to the offline one; `told` hears which view, how many rows are done, of how many."""
        self._inspect()
        return materialize(self.repository, told)

    def _inspect(self) -> None:
        """Hold what somebody else wrote against the rules, before it is joined or served."""
        folder, views = self.repository.folder, self.repository.views
        inspect(views, rules.load(folder / "rules.json"), folder / "quarantine", self._accepted.now())

    def migrate_online(self, source: Path | None, *, drop: bool, told: Callable[[str, int], None]) -> list[Migrated]:
        """Bring Feast's own SQLite online store into the one that is configured; see `migration.migrate`.

        Args:
            source: Feast's file; by default the file that feature_store.yaml names.
        """
        place = self.repository.place
        if source is None and place.kind != "sqlite":
            raise UsageError(
                "--from", expected="Feast's SQLite file", found="nothing", fix="feature_store.yaml names no file; name one."
            )
        views, store = self.repository.views, place.open()
        try:
            return migrate(source or Path(place.address), views, store, drop=drop, told=told)
        finally:
            store.close()

    def window(self, since: Window | None) -> Window:
        """Everything that arrived after `since` and is ingested."""
        end = self._accepted.end()
        as_of = arrived(self._accepted, end) or self._accepted.now()
        foreign = [view for view in self.repository.views if view.origin == "foreign"]
        known, folder = since.cursors if since else {}, self.repository.folder / "deltas"
        before = {view.name: deltas.Position(view.name, known.get(view.name, {})) for view in foreign}
        cursors = {view.name: deltas.remember(view, before[view.name], folder).files for view in foreign}
        return Window(since.end if since else 0, end, as_of, cursors)

    def delta(self, window: Window, since: Window | None, parent_items: Iterable[str]) -> FeatureDelta:
        """What changed inside `window`, against a parent made of `since` that serves `parent_items`."""
        interactions = self._learnt(window, window.start, window.end)
        live, before = set(self._accepted.catalogue(window.end)), set(parent_items)
        touched = set(interactions.column("item_id").to_pylist()) | self._touched(window, since, live)
        new = live - before
        changed = (touched | new) & live
        return FeatureDelta(interactions, tuple(sorted(changed)), tuple(sorted(new)), tuple(sorted(before - live)))

    def past(self, window: Window) -> pa.Table:
        """The interactions before `window`, joined, without those left out."""
        return self._learnt(window, 0, window.start)

    def replay(self, window: Window, draw: Draw) -> pa.Table:
        """A sample of the train rows of `past`, by offset; read without the others."""
        return self._examples.replayed(window, draw)

    def newest(self, window: Window, split: Split, count: int) -> pa.Table:
        """The newest `count` rows of `past` that are of a part other than train, by offset; read without the others."""
        return self._examples.newest(window, split, count)

    def older(self, window: Window, split: Split, before: int, count: int) -> pa.Table:
        """Up to `count` rows of such a part below an offset, spread over all of `past`, by offset."""
        return self._examples.older(window, split, before, count)

    def items(self, ids: Sequence[str], as_of: datetime) -> pa.Table:
        """One row per id, in order: `item_id`, the item tower's inputs, display and filter columns as of then."""
        return items_as_of(self.repository, ids, as_of, self._described)

    def profiles(self, interactions: pa.Table) -> tuple[Profile, ...]:
        """What the towers' inputs look like over these interactions, joined like `FeatureDelta.interactions`."""
        return drift.profiles(self._schema, interactions)

    def drifts(self, known: Iterable[Profile], interactions: pa.Table) -> tuple[Drift, ...]:
        """How far the inputs of these interactions are from known profiles."""
        return drift.drifts(known, self._schema, interactions)

    def _learnt(self, window: Window, after: int, upto: int) -> pa.Table:
        table = self._examples.read(after, upto)
        return table.filter(pa.array(window.learnt(table.column("offset").to_numpy())))

    def _touched(self, window: Window, since: Window | None, live: set[str]) -> set[str]:
        """Items whose own features changed: posted through events, or written by somebody else's job.

        They are all of `live` if files that somebody else has taken away can no longer be compared.
        """
        events = self._accepted.read(window.start, window.end)
        posted = events.filter(pc.equal(events.column("kind"), "item")).column("item_id").to_pylist()
        touched = set(posted)
        known = since.cursors if since else {}
        for view in self.repository.views:
            if view.entity == "item" and view.name in window.cursors:
                before, now = (
                    deltas.Position(view.name, files) for files in (known.get(view.name, {}), window.cursors[view.name])
                )
                found = deltas.touched(view, before, now, self.repository.folder / "deltas")
                touched |= live if found.unknown else found.keys
        return touched


def open_features(
    repo: Path,
    home: Path,
    log: WholeLog,
    *,
    user_service: str,
    item_service: str,
    guard: Guard = lambda _: None,
    encoder: Encoder | None = None,
) -> FeastFeatures:
    """The features of one surface."""
    return FeastFeatures(FeastRepository(repo, home, guard), log, user_service, item_service, encoder)
