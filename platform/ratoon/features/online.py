"""User features at request time: Feast's SQLite online store, read and kept fresh without importing Feast.

The store keeps one row per entity and feature. `guard` makes the store itself refuse to replace a newer value by an
older one, whoever writes; `applied` is the log offset up to which a view's rows are in it.
"""

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from ratoon.domain.schema import TowerSchema
from ratoon.features.derive import Record, newest_row, records
from ratoon.features.ingest import column
from ratoon.features.values import decode, encode, entity_key
from ratoon.features.views import View, load
from ratoon.ports import EventLog

SECOND_US = 1_000_000


def connect(path: Path) -> sqlite3.Connection:
    """The online store; readers and one writer do not block each other (WAL)."""
    connection = sqlite3.connect(path, timeout=10.0, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def guard(connection: sqlite3.Connection, views: Iterable[View]) -> None:
    """Let no value be replaced by an older one, and make room for the positions."""
    connection.execute("CREATE TABLE IF NOT EXISTS ratoon_applied (view TEXT PRIMARY KEY, offset INTEGER NOT NULL)")
    for view in views:
        if not view.online:
            continue
        connection.execute(
            f'CREATE TRIGGER IF NOT EXISTS "{view.table}_newest" BEFORE UPDATE ON "{view.table}" '
            "WHEN NEW.event_ts < OLD.event_ts BEGIN SELECT RAISE(IGNORE); END"
        )


def applied(connection: sqlite3.Connection, view: View) -> int:
    """The log offset up to which `view` is materialised."""
    row = connection.execute("SELECT offset FROM ratoon_applied WHERE view = ?", (view.edition,)).fetchone()
    return int(row[0]) if row else 0


def mark_applied(connection: sqlite3.Connection, view: View, offset: int) -> None:
    """Remember how far `view` is materialised."""
    connection.execute("INSERT OR REPLACE INTO ratoon_applied VALUES (?, ?)", (view.edition, offset))


class OnlineUsers:
    """Reads user features, and writes them anew the moment an event of theirs is acknowledged. Safe to share by threads."""

    def __init__(self, folder: Path, log: EventLog) -> None:
        """Args: folder: where `online.db` and `views.json` are; log: where the users' histories are."""
        self._folder, self._log = folder, log
        self._lock = threading.Lock()
        self._store = connect(folder / "online.db")
        self._views = self._user_views()
        self._caught_up: dict[str, int] = {}

    def user(self, user_id: str, schema: TowerSchema) -> pa.Table | None:
        """One row of the user tower's inputs; None for a user without a single stored feature.

        A value older than its view's ttl, by the log's clock, counts as missing, and so does a feature that `schema` has and
        the repository has no more.
        """
        now = int(self._log.now().timestamp())
        stored = self._stored(user_id)
        if not stored:
            return None
        fields = {field.name: field for view in self._views for field in view.fields}
        columns = {}
        for feature in schema.user:
            if feature.kind == "id":
                columns[feature.name] = pa.array([user_id])
                continue
            field = fields.get(feature.name)
            if field is None:
                columns[feature.name] = pa.nulls(1)
                continue
            data, moment = stored.get(feature.name, (b"", now))
            fresh = not feature.ttl or now - moment <= feature.ttl
            columns[feature.name] = column([decode(data, field.dtype) if fresh else None], field.arrow)
        return pa.table(columns)

    def refresh(self, user_ids: Sequence[str]) -> None:
        """Value these users' features anew from their whole history in the log, and store them."""
        events = records(self._log.history("user", user_ids))
        mine: dict[str, list[Record]] = {}
        for event in events:
            mine.setdefault(str(event["user_id"]), []).append(event)
        rows = [
            (view, row)
            for view in self._views
            if view.origin != "foreign"
            for history in mine.values()
            if (row := newest_row(view, history, [])) is not None
        ]
        with self._lock:
            self._store.execute("BEGIN IMMEDIATE")
            for view, row in rows:
                self._put(view, row)
            self._store.execute("COMMIT")

    def catch_up(self) -> int:
        """Apply what the log has beyond the newest materialisation; needed at the start and after each materialisation.

        Returns how many users were refreshed.
        """
        with self._lock:
            self._views = self._user_views()
            reached = {view.name: applied(self._store, view) for view in self._views if view.origin != "foreign"}
        if reached == self._caught_up:
            return 0
        new = self._log.read(min(reached.values(), default=0))
        users = sorted(set(new.column("user_id").drop_null().to_pylist()))
        self.refresh(users)
        self._caught_up = reached
        return len(users)

    def _user_views(self) -> tuple[View, ...]:
        return tuple(view for view in load(self._folder / "views.json") if view.entity == "user" and view.online)

    def _stored(self, user_id: str) -> dict[str, tuple[bytes, int]]:
        key = entity_key("user_id", user_id)
        with self._lock:
            return {
                name: (data, moment)
                for view in self._views
                for name, data, moment in self._store.execute(
                    f'SELECT feature_name, value, event_ts FROM "{view.table}" WHERE entity_key = ?', (key,)
                )
            }

    def _put(self, view: View, row: Record) -> None:
        key = entity_key(view.key, str(row[view.key]))
        moment, arrived = (int(str(row[name])) // SECOND_US for name in ("event_timestamp", "created_timestamp"))
        self._store.executemany(
            f'INSERT INTO "{view.table}" (entity_key, feature_name, value, event_ts, created_ts) VALUES (?, ?, ?, ?, ?) '
            "ON CONFLICT (entity_key, feature_name) DO UPDATE SET value = excluded.value, event_ts = excluded.event_ts, "
            "created_ts = excluded.created_ts",
            [(key, field.name, encode(row[field.name], field.dtype), moment, arrived) for field in view.fields],
        )
