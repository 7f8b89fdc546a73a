"""The newest events: on disk without indexes, and with them in the memory of whoever reads.

Ids come in no order, so an index on disk has most of its pages written again by every few hundred events. In the tail an event
costs its own bytes. Once there are enough of them they are sorted in, all at once (O'Neil et al. 1996, The Log-Structured
Merge-Tree, with one level in memory).
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ratoon.domain.event import LOG_SCHEMA
from ratoon.events import ids
from ratoon.events.connection import COLUMNS, INDEXES
from ratoon.events.items import note
from ratoon.events.rows import marks, rows_of

NAMES = ", ".join(f'"{name}"' for name in LOG_SCHEMA.names)
END = """SELECT max(coalesce((SELECT max("offset") FROM tail), 0), coalesce((SELECT max("offset") FROM main.events), 0))"""
ENDS = """SELECT (SELECT min("offset") FROM tail), (SELECT max("offset") FROM tail)"""


def put(db: sqlite3.Connection, logged: pa.Table) -> None:
    """Add events of the log (LOG_SCHEMA and `hash`), the next ones, inside of a transaction."""
    said = logged.select([name for name in logged.column_names if logged.column(name).null_count < logged.num_rows])
    names = ", ".join(f'"{name}"' for name in said.column_names)
    db.executemany(f"INSERT INTO tail ({names}) VALUES ({marks(said.column_names)})", rows_of(said))


def settle(db: sqlite3.Connection) -> None:
    """Sort the tail in, inside of a transaction."""
    db.execute(f'INSERT INTO main.events ({NAMES}) SELECT {NAMES} FROM tail ORDER BY "offset"')
    db.execute(ids.SETTLE)
    db.execute("DELETE FROM tail")
    note(db)


class Ids:
    """The ids of the events in the tail, for the one connection that writes."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._first: int | None = None
        self._last = 0

    def known(self, db: sqlite3.Connection) -> set[str]:
        """All of them, inside of a transaction; other processes' too."""
        first, last = db.execute(ENDS).fetchone()
        if first is None or first != self._first or last < self._last:
            self._ids, self._last = set(), 0
        if first is not None and last > self._last:
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
    """A connection that sees the log as one table, `logged`. For one thread at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._first: int | None = None
        self._last = 0
        self._version: int | None = None
        self._end = 0
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute(f"CREATE TEMP TABLE newest ({COLUMNS})")
        db.execute("CREATE INDEX temp.newest_by_id ON newest (event_id)")
        for index in INDEXES.values():
            db.execute(f"CREATE {index.replace('INDEX ', 'INDEX temp.newest_').replace('ON events', 'ON newest')}")
        db.execute(f"CREATE TEMP VIEW logged AS SELECT {NAMES} FROM main.events UNION ALL SELECT {NAMES} FROM temp.newest")

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
            self._db.execute(f'INSERT INTO newest ({NAMES}) SELECT {NAMES} FROM tail WHERE "offset" > ?', (had,))
        return first, last or 0

    def close(self) -> None:
        """Close the connection."""
        self._db.close()
