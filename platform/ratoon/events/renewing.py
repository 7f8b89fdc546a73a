"""Files of earlier formats are brought up to date.

In format 1 there was no tail, in format 2 no table `ids`, and in format 3 no seals: events had sums then, one for each commit.
"""

import sqlite3
import zlib

import numpy as np
import pyarrow as pa

from ratoon.domain.event import LOG_SCHEMA
from ratoon.events import ids
from ratoon.events.hashing import of_events
from ratoon.events.notes import TABLES, note_all
from ratoon.events.rows import table_of
from ratoon.events.seals import Rows, seals_of

NAMES = ", ".join(f'"{name}"' for name in LOG_SCHEMA.names)
_PAGE = 100_000
_PLACE = LOG_SCHEMA.names.index("offset")
_HIGHEST = np.uint64(1 << 63)


def renew(db: sqlite3.Connection, found: int, columns: str) -> None:
    """Give a file of an earlier format, or an empty one, what it lacks, inside of a transaction; its tail is sorted in.

    Args:
        found: its format; 0 for an empty file, whose table `events` was just made.
        columns: of its tables of events.
    """
    if found > 1:
        db.execute(f'INSERT INTO events ({NAMES}) SELECT {NAMES} FROM tail ORDER BY "offset"')
    for gone in ("TRIGGER sums_deleted", "TRIGGER sums_changed", "TRIGGER items_forgotten", "INDEX by_id", "TABLE tail"):
        kind, name = gone.split()
        db.execute(f"DROP {kind} IF EXISTS {name}")
    if found:
        db.execute("ALTER TABLE events ADD COLUMN seal INTEGER NOT NULL DEFAULT 0")
        _seal(db, summed=found > 1)
    for name in ("sums", "ids", *TABLES):
        db.execute(f"DROP TABLE IF EXISTS {name}")
    db.execute(f"CREATE TABLE tail ({columns}, hash INTEGER NOT NULL)")
    db.execute(ids.TABLE)
    ids.note_all(db)
    note_all(db)


def _seal(db: sqlite3.Connection, *, summed: bool) -> None:
    reached = 0
    asked = f'SELECT {NAMES} FROM events WHERE "offset" > ? ORDER BY "offset" LIMIT ?'
    sums = db.execute("SELECT above, upto, crc FROM sums ORDER BY upto").fetchall() if summed else []
    while rows := db.execute(asked, (reached, max(_PAGE, _next(sums, reached)))).fetchall():
        logged = table_of(rows)
        offsets = logged.column("offset").to_numpy()
        seals = seals_of(logged)
        # What is not as it was acknowledged gets a seal that is not its own: whoever reads it is told, as before.
        seals[_damaged(rows, logged, [one for one in sums if reached <= one[0] and one[1] <= offsets[-1]])] ^= 1
        whole = [upto for _, upto, _ in sums if reached < upto <= offsets[-1]]
        cut = len(rows) if len(rows) < _PAGE or not whole else int(np.searchsorted(offsets, whole[-1], "right"))
        sealed = zip(seals[:cut].tolist(), offsets[:cut].tolist(), strict=True)
        db.executemany('UPDATE events SET seal = ? WHERE "offset" = ?', sealed)
        reached = int(offsets[cut - 1])


def _next(sums: list[tuple[int, int, int]], reached: int) -> int:
    """How many events the next sum is of."""
    return next((upto - reached for _, upto, _ in sums if upto > reached), 0)


def _damaged(rows: Rows, logged: pa.Table, sums: list[tuple[int, int, int]]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """The events that a sum is of which is not theirs; negative sums are of hashes, others the CRC-32 of the rows' texts."""
    offsets, wrong = logged.column("offset").to_numpy(), np.zeros(len(rows), np.bool_)
    hashes = of_events(logged)
    for above, upto, noted in sums:
        first, last = np.searchsorted(offsets, [above, upto], "right")
        if noted < 0:
            total = np.add.reduce(hashes[first:last], keepdims=True) | _HIGHEST
            found = int(total.view(np.int64)[0])
        else:
            found = zlib.crc32(repr(list(rows[first:last])).encode())
        wrong[first:last] |= found != noted or last - first != upto - above
    return wrong
