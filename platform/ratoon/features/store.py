"""What a refresh asks of features, as one object: the port `Features` over Feast, the event log and the two stores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.delta import FeatureDelta
from ratoon.domain.schema import TowerSchema
from ratoon.domain.window import Window
from ratoon.features.contract import service_references, tower_schema
from ratoon.features.ingest import ingest
from ratoon.features.joins import Examples, items_as_of, keys_in, manifest
from ratoon.features.materialize import Materialized, materialize
from ratoon.features.repository import FeastRepository
from ratoon.ports import EventLog


@dataclass(frozen=True)
class FeastFeatures:
    """One surface's view of the feature repository.

    Attributes:
        user_service, item_service: the names of the surface's two FeatureServices.
    """

    repository: FeastRepository
    log: EventLog
    user_service: str
    item_service: str

    @cached_property
    def _schema(self) -> TowerSchema:
        return tower_schema(self.repository, self.user_service, self.item_service)

    @cached_property
    def _references(self) -> list[str]:
        inputs = [*self._schema.user, *self._schema.item]
        return [f"{feature.view}:{feature.name}" for feature in inputs if feature.view]

    @cached_property
    def _examples(self) -> Examples:
        return Examples(self.repository, self.log, self._schema, self._references)

    def schema(self) -> TowerSchema:
        """What the two services feed the towers now."""
        return self._schema

    def ingest(self) -> int:
        """Apply the repository if it changed, then bring offline storage up to the log's end; how many events were new."""
        return ingest(self.repository.views, self.log, self.repository.folder / "quarantine")

    def materialize(self) -> list[Materialized]:
        """Bring the online store up to the offline one."""
        return materialize(self.repository)

    def window(self, since: Window | None) -> Window:
        """Everything that arrived after `since` and is ingested."""
        end = self.log.end()
        newest = self.log.read(end - 1, end).column("created_timestamp")
        as_of = newest[0].as_py() if len(newest) else self.log.now()
        cursors = {view.name: manifest(view) for view in self.repository.views if view.origin == "foreign"}
        return Window(since.end if since else 0, end, as_of, cursors)

    def delta(self, window: Window, since: Window | None, parent_items: Iterable[str]) -> FeatureDelta:
        """What changed inside `window`, against a parent made of `since` that serves `parent_items`."""
        interactions = self._examples.read(window.start, window.end)
        learnt = [window.learns_from(offset) for offset in interactions.column("offset").to_pylist()]
        interactions = interactions.filter(pa.array(learnt, pa.bool_()))
        live, before = set(self.log.catalogue(window.end)), set(parent_items)
        touched = set(interactions.column("item_id").to_pylist()) | self._touched(window, since)
        new = live - before
        changed = (touched | new) & live
        return FeatureDelta(interactions, tuple(sorted(changed)), tuple(sorted(new)), tuple(sorted(before - live)))

    def past(self, window: Window) -> pa.Table:
        """The interactions before `window`, joined, without those left out."""
        table = self._examples.read(0, window.start)
        learnt = [window.learns_from(offset) for offset in table.column("offset").to_pylist()]
        return table.filter(pa.array(learnt, pa.bool_()))

    def items(self, ids: Sequence[str], as_of: datetime) -> pa.Table:
        """One row per id, in order: `item_id`, the item tower's inputs, display and filter columns as of then."""
        return items_as_of(self.repository, ids, as_of, service_references(self.repository, self.item_service))

    def _touched(self, window: Window, since: Window | None) -> set[str]:
        """Items whose own features changed: posted through events, or written by somebody else's job."""
        events = self.log.read(window.start, window.end)
        posted = events.filter(pc.equal(events.column("kind"), "item")).column("item_id").to_pylist()
        touched = set(posted)
        known = since.cursors if since else {}
        for view in self.repository.views:
            if view.entity == "item" and view.name in window.cursors:
                before, now = known.get(view.name, {}), window.cursors[view.name]
                touched |= keys_in(view, [name for name, size in now.items() if before.get(name) != size])
        return touched


def open_features(repo: Path, home: Path, log: EventLog, *, user_service: str, item_service: str) -> FeastFeatures:
    """The features of one surface."""
    return FeastFeatures(FeastRepository(repo, home), log, user_service, item_service)
