"""The file under the exposure log: SQLite with a write-ahead log, every commit synced, what is deleted overwritten."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratoon.domain.errors import StoreError

FORMAT = 1
"""Written into the file (`user_version`); a file with another number is not touched."""
BUSY_MS = 10_000
"""How long to wait for another process that is writing."""

_TABLE = """
CREATE TABLE exposures (
    request_id TEXT NOT NULL PRIMARY KEY,
    time INTEGER NOT NULL,
    surface TEXT NOT NULL,
    user_id TEXT,
    release TEXT NOT NULL,
    source TEXT NOT NULL,
    items TEXT NOT NULL,
    scores BLOB NOT NULL,
    propensities BLOB NOT NULL,
    choices TEXT NOT NULL,
    choice_scores BLOB NOT NULL,
    slots INTEGER NOT NULL,
    epsilon REAL NOT NULL,
    features TEXT,
    share REAL NOT NULL
)"""
_INDEXES = (
    "CREATE INDEX by_time ON exposures (surface, time)",
    "CREATE INDEX by_age ON exposures (time)",
    "CREATE INDEX of_user ON exposures (user_id) WHERE user_id IS NOT NULL",
)


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
            expected="an exposure log that can be read and written",
            found=f"{type(error).__name__}: {error}",
            fix="Check the disk and whether another process holds the file; what was answered does not depend on it.",
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


def delete(db: sqlite3.Connection, which: str, value: str | int, most: int) -> int:
    """Delete up to so many exposures of which something holds, in one transaction; how many.

    Args:
        which: an SQL condition with one `?`, whose value follows.
    """
    chosen = f"SELECT rowid FROM exposures WHERE {which} LIMIT {most}"
    with db:
        db.execute("BEGIN IMMEDIATE")
        return db.execute(f"DELETE FROM exposures WHERE rowid IN ({chosen})", (value,)).rowcount


def _prepare(path: Path, db: sqlite3.Connection) -> None:
    _write_ahead(db)
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA secure_delete = ON")
    if db.execute("PRAGMA user_version").fetchone()[0] == 0:
        with db:
            db.execute("BEGIN IMMEDIATE")
            # Another process may have made the table while this one waited for its turn.
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in (_TABLE, *_INDEXES):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {FORMAT}")
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found != FORMAT:
        raise StoreError(
            str(path),
            expected=f"exposure log format {FORMAT}",
            found=f"format {found}",
            fix="Use the version of Ratoon that wrote it, or move the file away.",
        )


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
