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
from ratoon.events import SqliteEventLog, hashing, ids, writing
from ratoon.events.connection import COLUMNS, FORMAT
from ratoon.events.hashing import of_events
from ratoon.events.ids import TABLE
from ratoon.events.rows import table_of
from tests.fakes.events import START, at, batch, event


def opened(path: Path) -> SqliteEventLog:
    return SqliteEventLog(path, "log", lambda: START)


@pytest.mark.parametrize("settled", [False, True])
def test_ids_with_one_hash_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: bool) -> None:
    """Where all ids have one hash an event is passed over for its own id alone, and found by it, also when history is loaded."""
    for room in (hashing, ids, writing):
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


SUMS = (
    "CREATE TABLE sums (upto INTEGER PRIMARY KEY, above INTEGER NOT NULL, crc INTEGER NOT NULL)",
    "CREATE TRIGGER sums_deleted AFTER DELETE ON events BEGIN DELETE FROM sums; END",
    "CREATE TRIGGER sums_changed AFTER UPDATE ON events BEGIN DELETE FROM sums; END",
)


def earlier(path: Path, number: int) -> None:
    """A file as formats 1 to 3 had it: e1 to e3, the last of them in the tail, under sums of texts or, in format 3, of hashes."""
    rows = [(n, f"e{n}", "interaction", None, "u1", f"i{n}", None, 4.5, n, None, None, n) for n in (1, 2, 3)]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"CREATE TABLE events ({COLUMNS})")
        db.execute("CREATE UNIQUE INDEX by_id ON events (event_id)")
        db.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 12)})", rows if number == 1 else rows[:2])
        if number > 1:
            db.execute(f"CREATE TABLE tail ({COLUMNS}{', hash INTEGER NOT NULL' * (number == 3)})")
            names = ", ".join(f'"{name}"' for name in LOG_SCHEMA.names)
            hashed = (", hash", ", 7") if number == 3 else ("", "")
            db.execute(f"INSERT INTO tail ({names}{hashed[0]}) VALUES ({', '.join('?' * 12)}{hashed[1]})", _named(rows[2]))
            for statement in SUMS:
                db.execute(statement)
            for above, upto in ((0, 2), (2, 3)):
                told = [row for table in ("events", "tail") for row in db.execute(f"SELECT {names} FROM {table}")]
                crc = zlib.crc32(repr(told[above:upto]).encode())
                if number == 3:
                    total = np.add.reduce(of_events(table_of(told[above:upto])), keepdims=True) | np.uint64(1 << 63)
                    crc = int(total.view(np.int64)[0])
                db.execute("INSERT INTO sums VALUES (?, ?, ?)", (upto, above, crc))
        if number == 3:
            db.execute(TABLE)
        db.execute(f"PRAGMA user_version = {number}")


def _named(row: tuple[object, ...]) -> tuple[object, ...]:
    """In the order of the schema, where the offset is the last."""
    return (*row[1:], row[0])


@pytest.mark.parametrize("number", [1, 2, 3])
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


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("place", [1, 3])
def test_what_was_damaged_before_is_not_sealed_as_sound(tmp_path: Path, number: int, place: int) -> None:
    """An event that is not what a sum of an earlier format was of stops whoever reads it now as well; others are read."""
    path = tmp_path / "log"
    earlier(path, number)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TRIGGER sums_changed")
        table = "events" if place < 3 else "tail"
        db.execute(f'UPDATE {table} SET item_id = item_id || "x" WHERE "offset" = ?', (place,))
    with closing(opened(path)) as log:
        log.append(batch(event("new", user_id="u2")))
        with pytest.raises(StoreError, match="found another, by its checksum"):
            log.read(place - 1, place)
        assert log.check().startswith("damaged: ")
        sound = (2, 3) if place < 3 else (0, 2)
        assert log.read(*sound).num_rows == sound[1] - sound[0]
        assert log.history("user", ["u2"]).num_rows == 1


def test_what_is_no_longer_known_comes_back(tmp_path: Path) -> None:
    """Dropped ids are gone, by id and offset."""
    with closing(opened(tmp_path / "log")) as log:
        log.load([batch(event("a"), event("b"))])
    with closing(sqlite3.connect(tmp_path / "log")) as db, db:
        ids.drop(db, [(1, "a"), (9, "b")])
        assert [ids.candidates(db, ids.hashed(pa.array([name]))) for name in "ab"] == [[], [2]]
