"""What was deleted from an SQLite file is not in its bytes either: not in the write-ahead log, nor where pages were split."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ratoon.domain.errors import StoreError

BLOCK = 1 << 20
WAIT = 30.0
"""Seconds to wait for whoever reads or writes."""


def erase(path: Path, needle: bytes) -> None:
    """Fold the write-ahead log into an SQLite file; write the whole file anew if `needle` is still in it.

    Writers wait while that is done. A short needle may be in the file for another reason; then it is done once for nothing.

    Raises:
        StoreError: somebody holds on to an older state of the file for longer than 30 s, or the disk is full.
    """
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path, timeout=WAIT, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete = ON")
            folded = _fold(db)
            if folded and holds(path, needle):
                db.execute("VACUUM")
                folded = _fold(db)
    except sqlite3.Error as error:
        raise _failed(path, str(error)) from error
    if not folded:
        raise _failed(path, "a reader that holds on to it")


def holds(path: Path, needle: bytes) -> bool:
    """Whether some bytes are in a file."""
    with path.open("rb") as file:
        end = b""
        while block := file.read(BLOCK):
            if needle in (seen := end + block):
                return True
            end = seen[max(len(seen) - len(needle) + 1, 0) :]
    return False


def _fold(db: sqlite3.Connection) -> bool:
    return not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


def _failed(path: Path, found: str) -> StoreError:
    fix = "It is deleted for everybody who looks now; run it again when that reader is done, or there is room."
    return StoreError(str(path), expected="to overwrite what was deleted", found=found, fix=fix)
