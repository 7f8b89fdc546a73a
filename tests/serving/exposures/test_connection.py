"""The file under the exposure log."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.serving.exposures.connection import connect
from ratoon.serving.exposures.exposure import COLUMNS


def test_every_commit_is_synced(tmp_path: Path) -> None:
    """A write-ahead log, full synchronisation, ten seconds for other writers, and zeros over what is deleted."""
    with closing(connect(tmp_path / "log")) as db:
        names = ("journal_mode", "synchronous", "busy_timeout", "secure_delete")
        assert [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names] == ["wal", 2, 10_000, 1]
        assert tuple(row[1] for row in db.execute("PRAGMA table_info(exposures)")) == COLUMNS


def test_many_may_make_the_file_at_once(tmp_path: Path) -> None:
    """Whoever opens a new file while others are making it finds the table made."""
    for number in range(10):
        start = threading.Barrier(4)

        def opened(path: Path, start: threading.Barrier = start) -> int:
            start.wait()
            with closing(connect(path)) as db:
                return int(db.execute("SELECT count(*) FROM exposures").fetchone()[0])

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(opened, [tmp_path / f"log{number}"] * 4)) == [0] * 4


def test_another_format_is_left_alone(tmp_path: Path) -> None:
    """A file that a later version wrote is refused and not changed."""
    with closing(sqlite3.connect(tmp_path / "log")) as later:
        later.execute("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="expected exposure log format 1, found format 2"):
        connect(tmp_path / "log")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """SQLite's complaint becomes an error that names the file."""
    (tmp_path / "log").write_text("certainly not a database, and long enough to be read as a header" * 20)
    with pytest.raises(StoreError, match=r"log: expected an exposure log that can be read and written, found DatabaseError"):
        connect(tmp_path / "log")
