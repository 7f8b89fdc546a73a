"""Packed rows in an SQLite file: one table per view, one statement per entity, write-ahead log.

The table of a view is named `project/view`. Readers and one writer do not block each other. The guard against older rows is
the upsert's own WHERE, so it holds whoever writes.
"""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import StoreError
from ratoon.features.online.layout import Layout
from ratoon.features.online.store import APPLIED, ARRIVED, LAYOUTS, NEWEST, Batch, Notes

KEYS_AT_ONCE = 8_192
"""The most keys in one statement; more are read in several, inside one transaction. SQLite allows 32,766 parameters."""

BUSY_SECONDS = 10.0
"""How long a writer waits for another."""

_ROWS = (
    'CREATE TABLE IF NOT EXISTS "{0}" (entity_key BLOB PRIMARY KEY, event_ts INTEGER NOT NULL, created_ts INTEGER NOT NULL, '
    "row BLOB NOT NULL) WITHOUT ROWID"
)
_NOTES = "CREATE TABLE IF NOT EXISTS ratoon_notes (kind TEXT, name TEXT, text TEXT NOT NULL, PRIMARY KEY (kind, name))"
_NOTES_OF = "DELETE FROM ratoon_notes WHERE substr({0}, 1, length(?1)) = ?1 AND length({0}) = length(?1) + 16"  # and a digest
_NEWER = (
    "INSERT INTO ratoon_notes VALUES (?, ?, ?) ON CONFLICT (kind, name) DO UPDATE SET text = excluded.text "
    "WHERE CAST(excluded.text AS INTEGER) > CAST(text AS INTEGER)"
)
_UPSERT = (
    'INSERT INTO "{0}" VALUES (?, ?, ?, ?) ON CONFLICT (entity_key) DO UPDATE SET event_ts = excluded.event_ts, '
    "created_ts = excluded.created_ts, row = excluded.row WHERE excluded.event_ts > event_ts "
    "OR (excluded.event_ts = event_ts AND excluded.created_ts >= created_ts)"
)


class SqliteRows:
    """A `RowStore` in one file. Safe to share by threads."""

    def __init__(self, path: Path, project: str) -> None:
        """Args: path: made if it does not exist."""
        self._path, self._project = path, project
        self._lock = threading.Lock()
        self._layouts: dict[bytes, Layout] = {}
        self._singles: dict[tuple[str, ...], str] = {}
        with self._named():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute("PRAGMA cache_size=-65536")
            self._connection.execute(_NOTES)

    def layout(self, fingerprint: bytes) -> Layout | None:
        """A stored layout; looked for again when it is not known yet."""
        if fingerprint not in self._layouts:
            self._layouts = {bytes.fromhex(name): Layout.parse(text) for name, text in self.notes(LAYOUTS).items()}
        return self._layouts.get(fingerprint)

    def prepare(self, views: Sequence[str]) -> None:
        """Make the views' tables; only one that is missing takes the lock that writers share."""
        with self._named(), self._lock:
            there = set(self._tables(self._connection.cursor()))
        missing = [table for view in views if (table := self._table(view)) not in there]
        if missing:
            with self._transaction() as cursor:
                for table in missing:
                    cursor.execute(_ROWS.format(table))

    def write(self, batches: Sequence[Batch], notes: Notes | None = None) -> None:
        """All in one transaction."""
        with self._transaction() as cursor:
            for batch in batches:
                self._put(cursor, {LAYOUTS: {batch.layout.fingerprint.hex(): batch.layout.text}})
                rows = zip(
                    batch.packed.keys,
                    batch.packed.event_ts.tolist(),
                    batch.packed.created.tolist(),
                    batch.packed.rows,
                    strict=True,
                )
                cursor.executemany(_UPSERT.format(self._table(batch.view)), rows)
                if len(batch.packed.keys):
                    cursor.execute(_NEWER, (self._kind(NEWEST), batch.view, str(int(batch.packed.event_ts.max()))))
                durable.fault_point("online.written")
            self._put(cursor, notes or {})

    def _put(self, cursor: sqlite3.Cursor, notes: Notes) -> None:
        for kind, entries in notes.items():
            gone = [(self._kind(kind), name) for name, text in entries.items() if text is None]
            kept = [(self._kind(kind), name, text) for name, text in entries.items() if text is not None]
            cursor.executemany("DELETE FROM ratoon_notes WHERE kind = ? AND name = ?", gone)
            cursor.executemany("INSERT OR REPLACE INTO ratoon_notes VALUES (?, ?, ?)", kept)

    def written(self) -> object:
        """Told by SQLite: it changes with every commit through another connection (https://sqlite.org/pragma.html)."""
        with self._named(), self._lock:
            return self._connection.execute("PRAGMA data_version").fetchone()[0]

    def rows(self, views: Sequence[str], keys: Sequence[bytes]) -> list[list[bytes | None]]:
        """One statement over all views."""
        if len(keys) == 1:
            return [[row] for row in self._one(views, keys[0])]
        found: list[dict[bytes, bytes]] = [{} for _ in views]
        with self._named(), self._lock:
            if len(keys) > KEYS_AT_ONCE:
                self._connection.execute("BEGIN")
            try:
                for start in range(0, len(keys), KEYS_AT_ONCE):
                    part = keys[start : start + KEYS_AT_ONCE]
                    for at, key, row in self._connection.execute(self._select(views, len(part)), part):
                        found[at][key] = row
            finally:
                self._connection.rollback()  # a read has nothing to commit
        return [[one.get(key) for key in keys] for one in found]

    def _one(self, views: Sequence[str], key: bytes) -> list[bytes | None]:
        statement = self._singles.get(tuple(views))
        if statement is None:
            columns = ", ".join(f'(SELECT row FROM "{self._table(view)}" WHERE entity_key = ?1)' for view in views)
            statement = self._singles[tuple(views)] = f"SELECT {columns}"
        try:
            with self._lock:
                found = self._connection.execute(statement, (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return list(found)

    def _select(self, views: Sequence[str], count: int) -> str:
        places = ",".join(f"?{at}" for at in range(1, count + 1))
        return " UNION ALL ".join(
            f'SELECT {at}, entity_key, row FROM "{self._table(view)}" WHERE entity_key IN ({places})'
            for at, view in enumerate(views)
        )

    def notes(self, kind: str) -> dict[str, str]:
        """The notes of a kind."""
        with self._named(), self._lock:
            found = self._connection.execute("SELECT name, text FROM ratoon_notes WHERE kind = ?", (self._kind(kind),))
            return dict(found.fetchall())

    def newest(self) -> dict[str, int]:
        """Kept as notes: a maximum over the table would read all of it."""
        return {view: int(text) for view, text in self.notes(NEWEST).items()}

    def forget(self, keys: Sequence[bytes]) -> None:
        """One DELETE per view."""
        with self._transaction() as cursor:
            for table in self._tables(cursor):
                cursor.executemany(f'DELETE FROM "{table}" WHERE entity_key = ?', [(key,) for key in keys])

    def drop(self, views: Sequence[str]) -> None:
        """Drop the views' tables and notes."""
        with self._transaction() as cursor:
            for view in views:
                cursor.execute(f'DROP TABLE IF EXISTS "{self._table(view)}"')
                cursor.execute(_NOTES_OF.format("kind"), (self._kind(f"{ARRIVED}:{view}:"),))
                cursor.execute(_NOTES_OF.format("name") + " AND kind = ?2", (f"{view}:", self._kind(APPLIED)))
            self._put(cursor, {NEWEST: dict.fromkeys(views)})

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _tables(self, cursor: sqlite3.Cursor) -> list[str]:
        found = cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ?", self._owned())
        return [name.replace('"', '""') for (name,) in found]

    def _owned(self) -> tuple[int, str]:
        return len(self._project) + 1, f"{self._project}/"

    def _table(self, view: str) -> str:
        return f"{self._project}/{view}".replace('"', '""')

    def _kind(self, kind: str) -> str:
        return f"{self._project}/{kind}"

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Cursor]:
        with self._named(), self._lock:
            cursor = self._connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                self._connection.rollback()
                raise

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(
            str(self._path),
            expected="an SQLite file that can be read and written",
            found=str(error),
            fix="Look at the disk and the file's owner; what was written before stands, so run it again.",
        )
