"""User features at request time: read in one round trip, and written anew the moment an event is acknowledged."""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.schema import TowerSchema
from ratoon.features.folds.derive import Record, newest_row, records
from ratoon.features.folds.ingest import column
from ratoon.features.online.block import Block
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import Layout
from ratoon.features.online.opening import Place
from ratoon.features.online.pack import Packed, pack
from ratoon.features.online.store import APPLIED, Batch, Wanted, reached, read
from ratoon.features.views import View, load
from ratoon.ports import EventLog

SECOND_US = 1_000_000

EVENTS_AT_ONCE = 1_000_000
USERS_AT_ONCE = 1_000
"""What is read of the log, and whose histories, at once: what bounds the memory of catching up."""

PLACE = "online.json"
"""The file beside `views.json` that says where the online store is."""


class OnlineUsers:
    """Reads user features, and values them from the log. Safe to share by threads; imports no Feast."""

    def __init__(self, folder: Path, log: EventLog) -> None:
        """Args: folder: where `online.json` and `views.json` are; log: where the users' histories are."""
        self._folder, self._log = folder, log
        self._lock = threading.Lock()
        self._store = Place.load(folder / PLACE).open()
        self._views = self._user_views()
        self._caught_up: dict[str, int] = {}

    def user(self, user_id: str, schema: TowerSchema) -> pa.Table | None:
        """One row of the user tower's inputs; None for a user without a single stored row.

        A value older than its view's ttl, by the log's clock, counts as missing, and so does a feature that `schema` has and
        the repository has no more.
        """
        blocks = self._read([user_id], schema)
        if not any(block.found[0] for block in blocks.values()):
            return None
        values = {name: block.row(0) for name, block in blocks.items()}
        columns = {}
        for feature in schema.user:
            if feature.kind == "id":
                columns[feature.name] = pa.array([user_id])
            elif feature.name in values.get(feature.view, {}):
                layout = blocks[feature.view].layout
                of = layout.arrow(layout.positions[feature.name])
                columns[feature.name] = column([values[feature.view][feature.name]], of)
            else:
                columns[feature.name] = pa.nulls(1)
        return pa.table(columns)

    def users(self, user_ids: Sequence[str], schema: TowerSchema) -> pa.Table:
        """One row per id, in the ids' order, of the user tower's inputs; all missing for a user without a stored row."""
        blocks = self._read(user_ids, schema)
        columns = {}
        for feature in schema.user:
            if feature.kind == "id":
                columns[feature.name] = pa.array(user_ids, pa.string())
            elif feature.view in blocks and feature.name in blocks[feature.view].layout.positions:
                columns[feature.name] = blocks[feature.view].arrow(feature.name)
            else:
                columns[feature.name] = pa.nulls(len(user_ids))
        return pa.table(columns)

    def _read(self, user_ids: Sequence[str], schema: TowerSchema) -> dict[str, Block]:
        ttl = {feature.view: feature.ttl * SECOND_US for feature in schema.user if feature.view}
        wanted = [Wanted(name, layout, ttl[name]) for name, layout in self._layouts.items() if name in ttl]
        now = int(self._log.now().timestamp()) * SECOND_US
        blocks = read(self._store, wanted, text_keys("user_id", user_ids), now)
        return {one.view: block for one, block in zip(wanted, blocks, strict=True)}

    def refresh(self, user_ids: Sequence[str]) -> None:
        """Value these users' features anew from their whole history in the log, and store them, all at once."""
        events = records(self._log.history("user", user_ids))
        mine: dict[str, list[Record]] = {}
        for event in events:
            mine.setdefault(str(event["user_id"]), []).append(event)
        batches = []
        for view in self._views:
            if view.origin == "foreign":
                continue
            rows = [row for history in mine.values() if (row := newest_row(view, history, [])) is not None]
            if rows:
                batches.append(_batch(view, rows))
        if batches:
            self._store.write(batches)

    def catch_up(self) -> int:
        """Apply what the log has beyond the newest materialisation; needed at the start and after each materialisation.

        Returns how many users were refreshed.
        """
        with self._lock:
            self._views = self._user_views()
            applied, end = self._store.notes(APPLIED), self._log.end()
            begun = {view.name: reached(applied, view.edition, end) for view in self._views if view.origin != "foreign"}
        if begun == self._caught_up:
            return 0
        users = self._users_of(min(begun.values(), default=0), end)
        for first in range(0, len(users), USERS_AT_ONCE):
            self.refresh(users[first : first + USERS_AT_ONCE])
        self._caught_up = begun
        return len(users)

    def _users_of(self, after: int, end: int) -> list[str]:
        """Who has events at offsets after < offset <= end."""
        found: set[str] = set()
        for first in range(after, end, EVENTS_AT_ONCE):
            events = self._log.read(first, min(first + EVENTS_AT_ONCE, end))
            found.update(pc.unique(events.column("user_id")).drop_null().to_pylist())
        return sorted(found)

    def _user_views(self) -> tuple[View, ...]:
        views = tuple(view for view in load(self._folder / "views.json") if view.entity == "user" and view.online)
        self._store.prepare([view.name for view in views])
        self._layouts = {view.name: Layout.of(view.fields) for view in views}
        return views


def _batch(view: View, rows: Sequence[Record]) -> Batch:
    layout = Layout.of(view.fields)
    columns = {field.name: column([row[field.name] for row in rows], field.arrow) for field in view.fields}
    times, arrivals = (_micros(rows, name) for name in ("event_timestamp", "created_timestamp"))
    keys = text_keys(view.key, [str(row[view.key]) for row in rows])
    return Batch(view.name, layout, Packed(keys, pack(layout, pa.table(columns), times, arrivals), times, arrivals))


def _micros(rows: Sequence[Record], name: str) -> np.ndarray:
    return np.array([int(str(row[name])) for row in rows], np.int64)
