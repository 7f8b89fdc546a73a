"""Deleted bytes are in no file any more, or an error says who holds them."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.keeping import erasing
from ratoon.keeping.erasing import erase, holds

NEEDLE = b"somebody-77"


def filled(path: Path) -> sqlite3.Connection:
    """A file in which rows have moved from page to page without being overwritten."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA secure_delete = OFF")
    db.execute("CREATE TABLE t (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
    for place in range(400):
        db.execute("INSERT INTO t VALUES (?, ?)", (f"{NEEDLE.decode()}-{place:04d}", b"x" * 60))
    db.execute("DELETE FROM t WHERE key LIKE 'somebody-77%'")
    return db


def test_nothing_is_left_in_the_bytes(tmp_path: Path) -> None:
    """What was in the write-ahead log and in free pages is gone, beside a connection that stays open."""
    with closing(filled(tmp_path / "db")) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        assert holds(tmp_path / "db", NEEDLE)
        erase(tmp_path / "db", NEEDLE)
        assert not any(holds(path, NEEDLE) for path in tmp_path.iterdir())
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_reader_that_holds_on_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody reads an older state its bytes cannot go; that is an error, and afterwards it works."""
    monkeypatch.setattr(erasing, "WAIT", 0.05)
    with closing(filled(tmp_path / "db")) as db:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM t").fetchone()
        with closing(sqlite3.connect(tmp_path / "db")) as other, other:
            other.execute("INSERT INTO t VALUES ('else', x'00')")
        with pytest.raises(StoreError, match=r"db: expected to overwrite what was deleted, found a reader that holds on to it"):
            erase(tmp_path / "db", NEEDLE)
        db.execute("COMMIT")
        erase(tmp_path / "db", NEEDLE)
        assert not any(holds(path, NEEDLE) for path in tmp_path.iterdir())


def test_bytes_across_blocks_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a block ends, what lies across its end is found; what is not there is not."""
    monkeypatch.setattr(erasing, "BLOCK", 4)
    for place in range(9):
        (tmp_path / "file").write_bytes(b"-" * place + NEEDLE + b"-" * 5)
        assert holds(tmp_path / "file", NEEDLE)
        assert not holds(tmp_path / "file", NEEDLE + b"!")
    erase(tmp_path / "missing", NEEDLE)
