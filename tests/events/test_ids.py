"""Ids that are known by their hashes."""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.errors import DataError, StoreError
from ratoon.domain.event import LOG_SCHEMA
from ratoon.events import SqliteEventLog, ids, writing
from ratoon.events.connection import COLUMNS, FORMAT
from ratoon.events.sums import SUMS
from tests.fakes.events import START, at, batch, event


def opened(path: Path) -> SqliteEventLog:
    return SqliteEventLog(path, "log", lambda: START)


@pytest.mark.parametrize("settled", [False, True])
def test_ids_with_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: bool) -> None:
    """Where all ids have one hash an event is passed over for its own id alone, and found by it, also when history is loaded."""
    for room in (ids, writing):
        monkeypatch.setattr(room, "of_texts", lambda texts: np.full(len(texts), 7, np.uint64))
    with closing(opened(tmp_path / "log")) as log:
        assert log.load([batch(event("a"), event("b"))]) == 2
        assert log.append(batch(event("b"), event("c"))).column("event_id").to_pylist() == ["c"]
        if settled:
            log.settle()
        assert log.append(batch(event("c"), event("d"))).column("event_id").to_pylist() == ["d"]
        assert sorted(log.known(["a", "c", "x"]).column("event_id").to_pylist()) == ["a", "c"]
    with closing(opened(tmp_path / "other")) as log, pytest.raises(DataError, match="found 'a' twice"):
        log.load([batch(event("a"), event("b")), batch(event("a", item_id="i2"))])


def earlier(path: Path, number: int) -> None:
    """A file as format 1 or 2 had it: e1 to e3, of which format 2 has the last in its tail, under sums of texts."""
    rows = [(n, f"e{n}", "interaction", None, "u1", f"i{n}", None, 4.5, n, None, None, n) for n in (1, 2, 3)]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE TABLE events ({COLUMNS})")
        db.execute("CREATE UNIQUE INDEX by_id ON events (event_id)")
        db.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 12)})", rows if number == 1 else rows[:2])
        if number == 2:
            db.execute(f"CREATE TABLE tail ({COLUMNS})")
            db.execute(f"INSERT INTO tail VALUES ({', '.join('?' * 12)})", rows[2])
            for statement in SUMS:
                db.execute(statement)
            names = ", ".join(f'"{name}"' for name in LOG_SCHEMA.names)
            for above, upto in ((0, 2), (2, 3)):
                told = [row for table in ("events", "tail") for row in db.execute(f"SELECT {names} FROM {table}")]
                crc = zlib.crc32(repr(told[above:upto]).encode())
                db.execute("INSERT INTO sums VALUES (?, ?, ?)", (upto, above, crc))
        db.execute(f"PRAGMA user_version = {number}")


@pytest.mark.parametrize("number", [1, 2])
def test_files_of_earlier_formats_go_on(tmp_path: Path, number: int) -> None:
    """Their events are read, known by their ids and added to, old sums and new ones hold, and the index of texts is gone."""
    earlier(tmp_path / "log", number)
    with closing(opened(tmp_path / "log")) as log:
        assert log.read(0).column("event_id").to_pylist() == ["e1", "e2", "e3"]
        assert log.append(batch(event("e3"), event("new", event_timestamp=at(1)), event("e1"))).num_rows == 1
        assert sorted(log.known(["e1", "e3", "new"]).column("offset").to_pylist()) == [1, 3, 4]
        assert (log.check(), log.seen("u1")) == ("ok, 4 events", ["i1", "i2", "i3"])
    with closing(sqlite3.connect(tmp_path / "log")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == FORMAT
        assert not db.execute("SELECT name FROM sqlite_master WHERE name = 'by_id'").fetchall()


@pytest.mark.parametrize("upto", [2, 3, 4])
def test_sums_of_both_kinds_tell_of_damage(tmp_path: Path, upto: int) -> None:
    """A value that is not what was acknowledged stops reading, in what an earlier format had summed and in what came since."""
    earlier(tmp_path / "log", 2)
    with closing(opened(tmp_path / "log")) as log:
        log.append(batch(event("new")))
        log.settle()
        log.read(0)
    with closing(sqlite3.connect(tmp_path / "log")) as db, db:
        db.execute("DROP TRIGGER sums_changed")
        db.execute('UPDATE events SET item_id = item_id || "x" WHERE "offset" = ?', (upto,))
    with closing(opened(tmp_path / "log")) as log, pytest.raises(StoreError, match="others, by their checksum"):
        log.read(0)


def test_what_is_no_longer_known_comes_back(tmp_path: Path) -> None:
    """Dropped ids are gone, by id and offset."""
    with closing(opened(tmp_path / "log")) as log:
        log.load([batch(event("a"), event("b"))])
    with closing(sqlite3.connect(tmp_path / "log")) as db, db:
        ids.drop(db, [(1, "a"), (9, "b")])
        assert [ids.candidates(db, ids.hashed(pa.array([name]))) for name in "ab"] == [[], [2]]
