"""Checksums of what was acknowledged: SQLite has none of its own, and would hand out a damaged row as if it were sound.

A sum is of the events of one commit. Whoever deletes or changes an event drops the sum that it is in.
"""

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path

from ratoon.domain.errors import StoreError

_DROP = """DELETE FROM sums WHERE upto = (SELECT min(upto) FROM sums WHERE upto >= OLD."offset") AND above < OLD."offset";"""
SUMS = (
    "CREATE TABLE sums (upto INTEGER PRIMARY KEY, above INTEGER NOT NULL, crc INTEGER NOT NULL)",
    f"CREATE TRIGGER sums_deleted AFTER DELETE ON events BEGIN {_DROP} END",
    f"CREATE TRIGGER sums_changed AFTER UPDATE ON events BEGIN {_DROP} END",
)
"""Events above the one offset and up to the other, and the CRC-32 of their rows."""
INSERT = "INSERT INTO sums (upto, above, crc) VALUES (?, ?, ?)"
WITHIN = "SELECT above, upto, crc FROM sums WHERE upto > ? AND upto <= ? AND above >= ? ORDER BY upto"

Rows = Sequence[tuple[object, ...]]


def summed(rows: Rows) -> int:
    """The CRC-32 of rows as the log's file has them."""
    return zlib.crc32(repr(list(rows)).encode())  # texts, whole numbers and floats: equal values are written alike


def note(db: sqlite3.Connection, rows: Rows) -> None:
    """Keep the sum of rows that were just appended; their last column is the offset."""
    if rows:
        first, last = rows[0][-1], rows[-1][-1]
        db.execute(INSERT, (last, int(str(first)) - 1, summed(rows)))


def verify(path: Path, rows: Rows, sums: Sequence[tuple[int, int, int]]) -> None:
    """Compare rows, by offset, with the sums that cover some of them.

    Raises:
        StoreError: rows are not what was acknowledged.
    """
    places = {row[-1]: place for place, row in enumerate(rows)} if sums else {}
    for above, upto, crc in sums:
        first, last = places.get(above + 1), places.get(upto)
        if first is None or last is None or last - first != upto - above - 1 or summed(rows[first : last + 1]) != crc:
            raise StoreError(
                str(path),
                expected=f"events {above + 1} to {upto} as they were acknowledged",
                found="others, by their checksum: the file is damaged",
                fix="Restore it from a backup; no more was read from it.",
            )
