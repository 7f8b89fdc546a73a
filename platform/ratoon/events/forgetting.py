"""A person's events leave the log: their offsets stay, and nothing else of them.

Whoever follows the log counts on every offset up to its end, so a row is not deleted but emptied: its kind is FORGOTTEN, which
no reader asks for, and its id is its offset. One more such row is appended, by which servers notice: they remember whom they
were asked about. The time that an event had stays, as the log's clock may stand on it.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ratoon.durable import fault_point
from ratoon.events import ids, notes, tail
from ratoon.events.connection import connect, failures
from ratoon.events.rows import table_of
from ratoon.events.seals import seals_of

FORGOTTEN = "forgotten"
"""The kind of an emptied row; nobody can post one."""

_EMPTIED = f"""
UPDATE events SET event_id = '{FORGOTTEN}:' || "offset", kind = '{FORGOTTEN}', surface = NULL, user_id = NULL, item_id = NULL,
    type = NULL, value = NULL, features = NULL, request_id = NULL
WHERE user_id = ?"""
_TOLD = f"""
INSERT INTO events ("offset", event_id, kind, event_timestamp, created_timestamp, seal)
SELECT "offset" + 1, '{FORGOTTEN}:' || ("offset" + 1), '{FORGOTTEN}',
    (SELECT max(event_timestamp) FROM events), max(created_timestamp + 1, ?), 0
FROM events ORDER BY "offset" DESC LIMIT 1"""
_OF_USER = """
SELECT "offset", event_id FROM events WHERE user_id = ?1 UNION ALL SELECT "offset", event_id FROM tail WHERE user_id = ?1
ORDER BY "offset" """


def events_of(path: Path, user_id: str) -> list[tuple[int, str]]:
    """Offset and id of every event of a user, by offset; StoreError like the log's."""
    if not path.exists():
        return []
    with closing(connect(path)) as db, failures(path):
        found = db.execute(_OF_USER, (user_id,))
        return [(int(offset), str(event_id)) for offset, event_id in found]


def forget(path: Path, user_id: str, now: datetime) -> int:
    """Empty every event of a user, in one transaction; how many there were. Their bytes are the caller's to overwrite.

    Args:
        now: when servers are told: the arrival of the row that tells them, if nothing arrived later.

    Raises:
        StoreError: like the log's; nothing was changed.
    """
    if not path.exists():
        return 0
    with closing(connect(path)) as db, failures(path):
        db.execute("PRAGMA secure_delete = ON")
        return _emptied(db, path, user_id, (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


def _emptied(db: sqlite3.Connection, path: Path, user_id: str, arrival: int) -> int:
    with db:
        db.execute("BEGIN IMMEDIATE")
        tail.settle(db, path)
        emptied = db.execute(_OF_USER, (user_id,)).fetchall()
        ids.drop(db, emptied)
        notes.forget(db, user_id)
        gone = db.execute(_EMPTIED, (user_id,)).rowcount
        if gone:
            db.execute(_TOLD, (arrival,))
            _seal(db, [offset for offset, _ in emptied])
        fault_point("events.forgetting")
    return gone


def _seal(db: sqlite3.Connection, emptied: Sequence[int]) -> None:
    """What stands there now is as it was meant, the newest row as well."""
    asked = f'SELECT {tail.NAMES} FROM events WHERE "offset" IN (SELECT value FROM json_each(?)) OR "offset" = ({tail.END})'
    logged = table_of(db.execute(asked, (json.dumps(emptied),)).fetchall())
    sealed = zip(seals_of(logged).tolist(), logged.column("offset").to_pylist(), strict=True)
    db.executemany('UPDATE events SET seal = ? WHERE "offset" = ?', sealed)
