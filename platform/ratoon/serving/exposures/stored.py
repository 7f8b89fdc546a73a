"""What has been logged: to read, to forget one user of, and to let go of when it is old."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from ratoon.domain.errors import StoreError
from ratoon.serving.exposures.connection import connect, delete, failures
from ratoon.serving.exposures.exposure import COLUMNS, EPOCH, Kept, kept, micros

_PAGE = 2_000
"""Exposures read or deleted at once."""

_READ = f"""
SELECT {", ".join(COLUMNS)} FROM exposures
WHERE surface = ? AND time >= ? AND (time, request_id) > (?, ?) {{explored}} ORDER BY time, request_id LIMIT {_PAGE}"""


class StoredExposures:
    """The exposure log on disk, as whoever does not answer requests sees it. Each call opens the file for itself.

    What servers have answered in the last 100 ms may not be in it yet.

    Args:
        path: the file; where there is none, nothing has been logged.

    Raises:
        StoreError: from any method, when SQLite cannot do its work.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, surface: str, since: datetime | None = None, *, explored: bool = False) -> Iterator[Kept]:
        """A surface's exposures from a moment on, in order of time.

        Args:
            explored: only those in which something was left to chance.
        """
        start = micros(since) if since else 0
        after: tuple[int, str] = (start, "")
        statement = _READ.format(explored="AND slots > 0" if explored else "")
        while True:
            with self._open() as db:
                rows = db.execute(statement, (surface, start, *after)).fetchall() if db else []
            yield from map(kept, rows)
            if len(rows) < _PAGE:
                return
            after = (rows[-1][1], rows[-1][0])

    def began(self, surface: str) -> datetime | None:
        """When a surface's oldest exposure was logged; None if there is none."""
        with self._open() as db:
            oldest = db.execute("SELECT min(time) FROM exposures WHERE surface = ?", (surface,)).fetchone()[0] if db else None
        return None if oldest is None else EPOCH + timedelta(microseconds=oldest)

    def forget(self, user_id: str) -> int:
        """Delete everything that was shown to one user, so that the file does not hold it any more; how many exposures."""
        return self._delete("user_id = ?", user_id)

    def prune(self, before: datetime) -> int:
        """Delete what was shown before a moment; how many exposures."""
        return self._delete("time < ?", micros(before))

    def expire(self, keep: float) -> int:
        """Delete what is by more than so many seconds older than the newest, as servers do; how many exposures.

        By the newest and not the present, since servers may be set to the time of old data.
        """
        with self._open() as db:
            newest = db.execute("SELECT max(time) FROM exposures").fetchone()[0] if db else None
        return 0 if newest is None else self._delete("time < ?", newest - round(keep * 1e6))

    def _delete(self, which: str, value: str | int) -> int:
        with self._open() as db:
            if db is None:
                return 0
            gone = 0
            while batch := delete(db, which, value, _PAGE):  # servers write in between
                gone += batch
            # What is deleted stands in the write-ahead log until that is folded into the file, where zeros are written over it.
            if db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise StoreError(
                    str(self._path),
                    expected="to overwrite what is deleted",
                    found="a reader that holds on to it",
                    fix="It is deleted for everybody else; run it again when that reader is done.",
                )
        return gone

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection | None]:
        if not self._path.exists():
            yield None
            return
        with failures(self._path), closing(connect(self._path)) as db:
            yield db
