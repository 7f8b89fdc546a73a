"""SQLite as the log needs it: write-ahead log, every commit synced, the table and its indexes."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratoon.domain.errors import StoreError

FORMAT = 1
"""Written into the file (`user_version`); a file with another number is not touched."""
BUSY_MS = 10_000
"""How long to wait for another process that is writing."""

_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    "offset" INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
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
);
CREATE INDEX IF NOT EXISTS of_user ON events (user_id, "offset", kind, item_id) WHERE user_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS of_item ON events (item_id, "offset", kind) WHERE item_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS by_time ON events (event_timestamp);
CREATE INDEX IF NOT EXISTS interactions ON events ("offset", item_id) WHERE kind = 'interaction';
CREATE INDEX IF NOT EXISTS removals ON events ("offset", item_id) WHERE kind = 'remove';
"""


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


def _prepare(path: Path, db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # in WAL mode: sync at each commit, so that acknowledged means durable
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found not in (0, FORMAT):
        raise StoreError(
            str(path),
            expected=f"event log format {FORMAT}",
            found=f"format {found}",
            fix="Use the version of Ratoon that wrote it, or move the file away.",
        )
    if found == 0:
        db.executescript(f"BEGIN IMMEDIATE; {_TABLE} PRAGMA user_version = {FORMAT}; COMMIT")
