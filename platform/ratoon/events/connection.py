"""SQLite as the log needs it: write-ahead log, every commit synced, the tables and their indexes."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

from ratoon.domain.errors import StoreError
from ratoon.events.notes import note_all, noted
from ratoon.events.renewing import renew
from ratoon.events.seals import damaged

FORMAT = 4
"""Written into the file (`user_version`); a file with a greater number is not touched. Those of earlier formats are brought up to
date when they are opened, see `renewing`."""
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
"""What an event says."""
SEALED = f"{COLUMNS}, seal INTEGER NOT NULL"
"""Of `events`, and of `tail`, where events wait for their indexes; see `seals`."""
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
                db.execute(f"CREATE TABLE IF NOT EXISTS events ({SEALED})")
                renew(db, found, SEALED)
                db.execute(f"PRAGMA user_version = {FORMAT}")
            for index in _missing(db):
                db.execute(f"CREATE {index}")
            if not noted(db):
                note_all(db)
    _recognise(path, db)


def _recognise(path: Path, db: sqlite3.Connection) -> None:
    """SQLite takes the name of a column that it does not know for a text: then any comparison has some answer."""
    for table, wanted in _tables().items():
        found = _columns(db, table)
        if found != wanted:
            told = ", ".join(f"{name} {kind}" for name, kind, *_ in sorted(found - wanted)) or "fewer columns"
            raise damaged(path, f"the columns of table {table!r} as they were made", told)


@lru_cache
def _tables() -> dict[str, set[tuple[object, ...]]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"CREATE TABLE events ({SEALED})")
        renew(db, 0, SEALED)
        return {table: _columns(db, table) for table in ("events", "tail", "ids", "items", "users", "told")}


def _columns(db: sqlite3.Connection, table: str) -> set[tuple[object, ...]]:
    """Name, type, whether something must be there, and the place in the key."""
    return {(name, kind, must, key) for _, name, kind, must, _, key in db.execute(f"PRAGMA table_info({table})")}


def _missing(db: sqlite3.Connection) -> list[str]:
    """The indexes that the file has not got: files of earlier days lack some."""
    known = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    return [index for name, index in INDEXES.items() if name not in known]
