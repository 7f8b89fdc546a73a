"""Which ids the log knows: by hash, as a number takes a fifth of the space of a text and sorted it goes in at half the cost.

Two ids may have one hash, so that whatever is found here is compared with the events themselves.
"""

import sqlite3
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from ratoon.events.hashing import Hashes, of_texts
from ratoon.events.rows import CHUNK, marks

TABLE = """CREATE TABLE ids (hash INTEGER, "offset" INTEGER, PRIMARY KEY (hash, "offset")) WITHOUT ROWID"""
SETTLE = """INSERT INTO ids SELECT hash, "offset" FROM tail ORDER BY hash"""
_PAGE = 100_000


def hashed(event_ids: pa.Array | pa.ChunkedArray) -> list[int]:
    """The hash of each id, as SQLite has it."""
    return signed(of_texts(event_ids.combine_chunks() if isinstance(event_ids, pa.ChunkedArray) else event_ids))


def signed(hashes: Hashes) -> list[int]:
    """Hashes as SQLite has them."""
    numbers: list[int] = hashes.view(np.int64).tolist()
    return numbers


def put(db: sqlite3.Connection, event_ids: pa.ChunkedArray, offsets: Iterable[int]) -> None:
    """Know these ids of `events`, inside of a transaction."""
    db.executemany("INSERT INTO ids VALUES (?, ?)", sorted(zip(hashed(event_ids), offsets, strict=True)))


def drop(db: sqlite3.Connection, events: Sequence[tuple[int, str]]) -> None:
    """Know the ids of these events, offset and id, no longer."""
    hashes = hashed(pa.array([event_id for _, event_id in events], pa.string()))
    gone = zip(hashes, (offset for offset, _ in events), strict=True)
    db.executemany('DELETE FROM ids WHERE hash = ? AND "offset" = ?', sorted(gone))


def note_all(db: sqlite3.Connection) -> None:
    """Know the ids of all of `events`, inside of a transaction."""
    reached = 0
    asked = 'SELECT "offset", event_id FROM events WHERE "offset" > ? ORDER BY "offset" LIMIT ?'
    while rows := db.execute(asked, (reached, _PAGE)).fetchall():
        put(db, pa.chunked_array([[event_id for _, event_id in rows]], pa.string()), (offset for offset, _ in rows))
        reached = rows[-1][0]


def candidates(db: sqlite3.Connection, hashes: Sequence[int]) -> list[int]:
    """The offsets of those of `events` whose ids may be among those with these hashes."""
    found = list[int]()
    for start in range(0, len(hashes), CHUNK):
        chunk = hashes[start : start + CHUNK]
        asked = f'SELECT "offset" FROM ids WHERE hash IN ({marks(chunk)})'
        found.extend(offset for (offset,) in db.execute(asked, chunk))
    return found


def twice(db: sqlite3.Connection) -> str | None:
    """An id that two of `events` have."""
    asked = """SELECT one.event_id FROM (SELECT hash FROM ids GROUP BY hash HAVING count(*) > 1)
        JOIN ids USING (hash) JOIN events AS one USING ("offset") GROUP BY one.event_id HAVING count(*) > 1 LIMIT 1"""
    found = db.execute(asked).fetchone()
    return None if found is None else str(found[0])
