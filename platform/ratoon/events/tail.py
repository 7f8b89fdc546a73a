"""The newest events: on disk without indexes, and with them in the memory of whoever reads.

Ids come in no order, so an index on disk has most of its pages written again by every few hundred events. In the tail an event
costs its own bytes. Once there are enough of them they are sorted in, all at once (O'Neil et al. 1996, The Log-Structured
Merge-Tree, with one level in memory).
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from ratoon.domain.event import LOG_SCHEMA
from ratoon.events import ids
from ratoon.events.connection import INDEXES, SEALED
from ratoon.events.notes import note
from ratoon.events.rows import marks, rows_of
from ratoon.events.seals import damaged, unsealed

NAMES = ", ".join(f'"{name}"' for name in LOG_SCHEMA.names)
ROW = f"{NAMES}, seal"
"""What is read of a row by whoever compares it with its seal."""
END = """SELECT max(coalesce((SELECT max("offset") FROM tail), 0), coalesce((SELECT max("offset") FROM main.events), 0))"""
ENDS = """SELECT (SELECT min("offset") FROM tail), (SELECT max("offset") FROM tail)"""


def put(db: sqlite3.Connection, logged: pa.Table) -> None:
    """Add events of the log (LOG_SCHEMA, `seal` and `hash`), the next ones, inside of a transaction."""
    said = logged.select([name for name in logged.column_names if logged.column(name).null_count < logged.num_rows])
    names = ", ".join(f'"{name}"' for name in said.column_names)
    db.executemany(f"INSERT INTO tail ({names}) VALUES ({marks(said.column_names)})", rows_of(said))


def settle(db: sqlite3.Connection, path: Path | None) -> None:
    """Sort the tail in, inside of a transaction.

    Args:
        path: the file's; None if all of the tail is what this process has put there itself.

    Raises:
        StoreError: it is damaged: what is noted of its users and items would make that true.
    """
    if path is not None:
        unsealed(path, db.execute(f"SELECT {ROW} FROM tail").fetchall())
    db.execute(f'INSERT INTO main.events ({ROW}) SELECT {ROW} FROM tail ORDER BY "offset"')
    db.execute(ids.SETTLE)
    db.execute("DELETE FROM tail")
    note(db)


class Ids:
    """The ids of the events in the tail, for the one connection that writes."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self.own = False
        """Whether this process has put all of them there."""
        self._first: int | None = None
        self._last = 0

    def known(self, db: sqlite3.Connection) -> set[str]:
        """All of them, inside of a transaction; other processes' too."""
        first, last = db.execute(ENDS).fetchone()
        if first is None or first != self._first or last < self._last:
            self._ids, self._last, self.own = set(), 0, True
        if first is not None and last > self._last:
            self.own = False
            self._ids.update(row[0] for row in db.execute('SELECT event_id FROM tail WHERE "offset" > ?', (self._last,)))
        self._first, self._last = first, last or 0
        return self._ids

    def add(self, event_ids: Sequence[str], last: int) -> None:
        """The one connection has put these into the tail, up to the offset `last`, since `known` was asked."""
        if self._first is None:
            self._first = last - len(event_ids) + 1
        self._ids.update(event_ids)
        self._last = last


class Reader:
    """A connection that sees the log as one table, `logged`. For one thread at a time.

    Args:
        path: the file's, whose tail is compared with its seals as it is copied; None if it is not.
    """

    def __init__(self, db: sqlite3.Connection, path: Path | None) -> None:
        self._db, self._path = db, path
        self._first: int | None = None
        self._last = 0
        self._version: int | None = None
        self._end = 0
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"CREATE TEMP TABLE newest ({SEALED})")
        db.execute("CREATE INDEX temp.newest_by_id ON newest (event_id)")
        for index in INDEXES.values():
            db.execute(f"CREATE {index.replace('INDEX ', 'INDEX temp.newest_').replace('ON events', 'ON newest')}")
        db.execute(f"CREATE TEMP VIEW logged AS SELECT {ROW} FROM main.events UNION ALL SELECT {ROW} FROM temp.newest")

    def select(self, *asked: tuple[str, Sequence[object]]) -> list[list[tuple[Any, ...]]]:
        """The rows of each statement, all of one moment."""
        db = self._db
        db.execute("BEGIN")
        try:
            first, last = self._follow()
            found = [db.execute(statement, parameters).fetchall() for statement, parameters in asked]
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        self._first, self._last = first, last
        return found

    def end(self) -> int:
        """The newest offset; 0 without events. It is looked for only after somebody has written, by SQLite's own count."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            (self._end,) = self._db.execute(END).fetchone()
            self._version = version
        return self._end

    def _follow(self) -> tuple[int | None, int]:
        first, last = self._db.execute(ENDS).fetchone()
        had = self._last
        if first is None or last < had:  # settled, or a part of it was taken back
            self._db.execute("DELETE FROM newest")
            had = 0
        elif first != self._first:
            self._db.execute('DELETE FROM newest WHERE "offset" < ?', (first,))
        if first is not None and last > had:
            self._db.execute(f'INSERT INTO newest ({ROW}) SELECT {ROW} FROM tail WHERE "offset" > ?', (had,))
            if self._path is not None:
                self._compare(self._path, max(had, first - 1), last)
        return first, last or 0

    def _compare(self, path: Path, after: int, last: int) -> None:
        rows = self._db.execute(f'SELECT {ROW} FROM newest WHERE "offset" > ?', (after,)).fetchall()
        unsealed(path, rows)
        if len(rows) != last - after:
            raise damaged(path, f"events {after + 1} to {last}", f"{len(rows)} of them")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()
