"""Checksums of what was acknowledged: SQLite has none of its own, and would hand out a damaged row as if it were sound.

A sum is of the events of one commit: of their hashes, with the highest bit set. Whoever deletes or changes an event drops the sum
that it is in. Files of format 2 and before have the CRC-32 of the rows' texts instead, which count on.
"""

import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ratoon.domain.errors import StoreError
from ratoon.events.hashing import Hashes, of_events

_DROP = """DELETE FROM sums WHERE upto = (SELECT min(upto) FROM sums WHERE upto >= OLD."offset") AND above < OLD."offset";"""
SUMS = (
    "CREATE TABLE sums (upto INTEGER PRIMARY KEY, above INTEGER NOT NULL, crc INTEGER NOT NULL)",
    f"CREATE TRIGGER sums_deleted AFTER DELETE ON events BEGIN {_DROP} END",
    f"CREATE TRIGGER sums_changed AFTER UPDATE ON events BEGIN {_DROP} END",
)
"""Events above the one offset and up to the other, and their sum; negative, or the CRC-32 of an earlier format."""
INSERT = "INSERT INTO sums (upto, above, crc) VALUES (?, ?, ?)"
WITHIN = "SELECT above, upto, crc FROM sums WHERE upto > ? AND upto <= ? AND above >= ? ORDER BY upto"

Rows = Sequence[tuple[object, ...]]
_HIGHEST = np.uint64(1 << 63)


def note(db: sqlite3.Connection, logged: pa.Table, ids: Hashes | None = None) -> None:
    """Keep the sum of events (LOG_SCHEMA) that were just appended; for `ids` see `of_events`."""
    if logged.num_rows:
        offsets = logged.column("offset")
        total = _summed(np.add.reduce(of_events(logged, ids), keepdims=True))
        db.execute(INSERT, (offsets[-1].as_py(), offsets[0].as_py() - 1, int(total[0])))


def verify(path: Path, logged: pa.Table, rows: Rows, sums: Sequence[tuple[int, int, int]]) -> None:
    """Compare events, by offset, with the sums that cover some of them.

    Args:
        logged: LOG_SCHEMA.
        rows: the same, as the file has them.

    Raises:
        StoreError: they are not what was acknowledged.
    """
    if not sums:
        return
    above, upto, noted = np.array(sums, np.int64).T
    offsets = logged.column("offset").to_numpy()
    first, last = np.searchsorted(offsets, above, "right"), np.searchsorted(offsets, upto, "right")
    reached = np.concatenate([np.zeros(1, np.uint64), np.cumsum(of_events(logged), dtype=np.uint64)])
    found = _summed(reached[last] - reached[first])
    for place in np.flatnonzero(noted >= 0):
        found[place] = zlib.crc32(repr(list(rows[first[place] : last[place]])).encode())
    wrong = np.flatnonzero((found != noted) | (last - first != upto - above))
    if len(wrong):
        raise StoreError(
            str(path),
            expected=f"events {above[wrong[0]] + 1} to {upto[wrong[0]]} as they were acknowledged",
            found="others, by their checksum: the file is damaged",
            fix="Restore it from a backup; no more was read from it.",
        )


def _summed(totals: Hashes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return (totals | _HIGHEST).view(np.int64)
