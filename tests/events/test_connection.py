"""The file under the log."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.events.connection import INDEXES, connect, failures


def test_every_commit_is_synced(tmp_path: Path) -> None:
    """The file is opened with a write-ahead log and full synchronisation, and waits ten seconds for other writers."""
    with closing(connect(tmp_path / "log")) as db:
        found = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "busy_timeout")]
    assert found == ["wal", 2, 10_000]


def test_many_may_make_the_file_at_once(tmp_path: Path) -> None:
    """Whoever opens a new file while another is making its tables finds them made."""
    for number in range(20):
        start = threading.Barrier(4)

        def opened(path: Path, start: threading.Barrier = start) -> int:
            start.wait()
            with closing(connect(path)) as db:
                return len(db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall())

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(opened, [tmp_path / f"log{number}"] * 4)) == [len(INDEXES)] * 4


def test_a_file_of_earlier_days_gets_the_indexes_it_lacks(tmp_path: Path) -> None:
    """Whichever index a file has not got is made when it is opened; what is in it stays."""
    with closing(connect(tmp_path / "log")) as db:
        db.execute("INSERT INTO events VALUES (1, 'e', 'interaction', NULL, 'u', 'i', 'click', NULL, 0, NULL, NULL, 0, 0)")
        for name in ("of_type", "of_item"):
            db.execute(f"DROP INDEX {name}")
    with closing(connect(tmp_path / "log")) as db:
        found = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")}
        clicked = "SELECT item_id FROM events INDEXED BY of_type WHERE kind = 'interaction' AND type = 'click'"
        assert (found, db.execute(clicked).fetchall()) == (set(INDEXES), [("i",)])


def test_another_format_is_left_alone(tmp_path: Path) -> None:
    """A file that a later version wrote is refused and not changed."""
    with closing(sqlite3.connect(tmp_path / "log")) as later:
        later.execute("PRAGMA user_version = 5")
    with pytest.raises(StoreError, match="expected event log format 4, found format 5"):
        connect(tmp_path / "log")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """SQLite's complaint becomes an error that names the file."""
    (tmp_path / "log").write_text("certainly not a database, and long enough to be read as a header" * 20)
    with pytest.raises(StoreError, match=r"log: expected an event log that can be read and written, found DatabaseError"):
        connect(tmp_path / "log")


def test_other_errors_pass() -> None:
    """What is not SQLite's is not renamed."""
    with pytest.raises(ValueError, match="mine"), failures(Path("log")):
        raise ValueError("mine")
