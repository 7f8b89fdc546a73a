"""SQLite as the log needs it: write-ahead log, every commit synced, the tables and their indexes."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratoon.domain.errors import StoreError
from ratoon.domain.event import LOG_SCHEMA
from ratoon.events import ids
from ratoon.events.items import note_all, noted
from ratoon.events.sums import SUMS

FORMAT = 3
"""Written into the file (`user_version`); a file with a greater number is not touched. In format 1 there was no tail, in
format 2 no table `ids`: such files are brought up to date when they are opened."""
BUSY_MS = 10_000
"""How long to wait for another process that is writing."""
MAPPED = 2**40
"""Bytes of the file that may be mapped: all of it; SQLite takes as many as it was built for, 2 GiB."""

COLUMNS = """
    "offset" INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    surface TEXT,
    user_id TEXT,
    item_id TEXT,
    type TEXT,
    value REAL,
    event_timestamp INTEGER NOT NULL,
    features TEXT,
    request_id TEXT,
    created_timestamp INTEGER NOT NULL
"""
"""Of `events`, and of `tail`, where events wait for their indexes."""
_EVENTS = f"CREATE TABLE IF NOT EXISTS events ({COLUMNS})"
INDEXES = {
    "of_user": 'INDEX of_user ON events (user_id, "offset", kind, item_id) WHERE user_id IS NOT NULL',
    "of_item": 'INDEX of_item ON events (item_id, "offset", kind) WHERE item_id IS NOT NULL',
    "by_time": "INDEX by_time ON events (event_timestamp)",
    "interactions": """INDEX interactions ON events ("offset") WHERE kind = 'interaction'""",
    # The newest of a rare type are found among however many others: a server asks at every look.
    "of_type": """INDEX of_type ON events (type, "offset") WHERE kind = 'interaction' AND type IS NOT NULL""",
    "removals": """INDEX removals ON events ("offset", item_id) WHERE kind = 'remove'""",
    "forgotten": """INDEX forgotten ON events ("offset") WHERE kind = 'forgotten'""",
}
"""Name -> what stands behind CREATE."""


@contextmanager
def failures(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StoreError, which says which file and what to do.

    Raises:
        StoreError: the file is locked for longer than 10 s, damaged, not ours, or the disk is full.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            str(path),
            expected="an event log that can be read and written",
            found=f"{type(error).__name__}: {error}",
            fix="Check the disk and whether another process holds the file, then run `ratoon doctor`.",
        ) from error


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that any thread may use, one at a time; must not be carried over a fork.

    Raises:
        StoreError: the file cannot be opened, or another version wrote it.
    """
    with failures(path):
        db = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
        try:
            _prepare(path, db)
        except BaseException:
            db.close()
            raise
    return db


def mapped(db: sqlite3.Connection) -> sqlite3.Connection:
    """A connection that reads pages where the system has them: a user's events lie in as many pages as there are events."""
    db.execute(f"PRAGMA mmap_size = {MAPPED}")
    return db


def _write_ahead(db: sqlite3.Connection) -> None:
    # Where others make the same file at that moment SQLite says that it is busy at once, however long it was told to wait.
    until = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _prepare(path: Path, db: sqlite3.Connection) -> None:
    _write_ahead(db)
    db.execute("PRAGMA synchronous = FULL")  # in WAL mode: sync at each commit, so that acknowledged means durable
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found > FORMAT:
        raise StoreError(
            str(path),
            expected=f"event log format {FORMAT}",
            found=f"format {found}",
            fix="Use the version of Ratoon that wrote it, or move the file away.",
        )
    if found < FORMAT or not noted(db) or _missing(db):
        with db:
            db.execute("BEGIN IMMEDIATE")
            # Another process may have made the tables while this one waited for its turn.
            if (found := db.execute("PRAGMA user_version").fetchone()[0]) < FORMAT:
                db.execute(_EVENTS)
                _renew(db, found)
                db.execute(f"PRAGMA user_version = {FORMAT}")
            for index in _missing(db):
                db.execute(f"CREATE {index}")
            if not noted(db):
                note_all(db)


def _renew(db: sqlite3.Connection, found: int) -> None:
    """Give a file of an earlier format, or an empty one, the tables that it lacks; what waited in its tail is sorted in."""
    names = ", ".join(f'"{name}"' for name in LOG_SCHEMA.names)
    if found < 2:
        for statement in SUMS:
            db.execute(statement)
    else:
        db.execute(f'INSERT INTO events ({names}) SELECT {names} FROM tail ORDER BY "offset"')
        db.execute("DROP TABLE tail")
    db.execute("DROP INDEX IF EXISTS by_id")
    for statement in (f"CREATE TABLE tail ({COLUMNS}, hash INTEGER NOT NULL)", ids.TABLE):
        db.execute(statement)
    ids.note_all(db)


def _missing(db: sqlite3.Connection) -> list[str]:
    """The indexes that the file has not got: files of earlier days lack some."""
    known = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    return [index for name, index in INDEXES.items() if name not in known]
