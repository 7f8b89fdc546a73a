"""What the log's events say of each user and item, noted in the log's file whenever the tail is settled.

A catalogue is read from as many rows as there are items, and not from as many as there were events. What the seals of somebody's
events add up to tells whether an index has led to all of them.
"""

import sqlite3
from pathlib import Path

from ratoon.events.seals import damaged

_OF_ITEMS = """SELECT item_id, max("offset" * (kind = 'item')), max("offset" * (kind = 'remove')), sum(seal)
FROM events WHERE kind != 'user' AND {which} GROUP BY item_id"""
_NEW = '"offset" > (SELECT upto FROM told)'
_TOLD = """UPDATE told SET posted = posted {sign} ifnull((SELECT sum(posted) FROM items WHERE {which}), 0),
    removed = removed {sign} ifnull((SELECT sum(removed) FROM items WHERE {which}), 0)"""
_TOUCHED = f"item_id IN (SELECT item_id FROM events WHERE {_NEW} AND kind != 'user')"
_OLD = "item_id = OLD.item_id"
TABLES = ("items", "users", "told")
_MADE = (
    *("DROP TRIGGER IF EXISTS items_forgotten", *(f"DROP TABLE IF EXISTS {table}" for table in TABLES)),
    """CREATE TABLE items (item_id TEXT PRIMARY KEY, posted INTEGER NOT NULL, removed INTEGER NOT NULL, seals INTEGER NOT NULL)
WITHOUT ROWID""",
    "CREATE TABLE users (user_id TEXT PRIMARY KEY, seals INTEGER NOT NULL) WITHOUT ROWID",
    # Up to where the notes go, and what their columns add up to: of a table that is read as a whole, whether it is whole.
    "CREATE TABLE told (upto INTEGER NOT NULL, posted INTEGER NOT NULL, removed INTEGER NOT NULL, seals INTEGER NOT NULL)",
    "INSERT INTO told VALUES (0, 0, 0, 0)",
    f"""CREATE TRIGGER items_forgotten AFTER DELETE ON events BEGIN
    UPDATE users SET seals = seals - OLD.seal WHERE user_id = OLD.user_id;
    UPDATE told SET seals = seals - OLD.seal * (OLD.item_id IS NOT NULL AND OLD.kind != 'user');
    {_TOLD.format(sign="-", which=_OLD)};
    UPDATE told SET upto = min(upto, (SELECT ifnull(max("offset"), 0) FROM events));
    DELETE FROM items WHERE item_id = OLD.item_id;
    INSERT INTO items {_OF_ITEMS.format(which=f'{_OLD} AND "offset" <= (SELECT upto FROM told)')};
    {_TOLD.format(sign="+", which=_OLD)};
END""",
)
_NOTE = (
    _TOLD.format(sign="-", which=_TOUCHED),
    f"""INSERT INTO items {_OF_ITEMS.format(which=f"item_id IS NOT NULL AND {_NEW}")}
ON CONFLICT (item_id) DO UPDATE SET posted = max(posted, excluded.posted), removed = max(removed, excluded.removed),
    seals = seals + excluded.seals""",
    _TOLD.format(sign="+", which=_TOUCHED),
    f"""INSERT INTO users SELECT user_id, sum(seal) FROM events WHERE user_id IS NOT NULL AND {_NEW} GROUP BY user_id
ON CONFLICT (user_id) DO UPDATE SET seals = seals + excluded.seals""",
    f"""UPDATE told SET
    seals = seals + ifnull((SELECT sum(seal) FROM events WHERE {_NEW} AND item_id IS NOT NULL AND kind != 'user'), 0),
    upto = (SELECT ifnull(max("offset"), 0) FROM events)""",
)
_FORGET = (
    """UPDATE told SET seals = seals - ifnull(
    (SELECT sum(seal) FROM events WHERE user_id = ?1 AND item_id IS NOT NULL AND kind != 'user'), 0)""",
    """UPDATE items SET seals = seals - (
    SELECT sum(seal) FROM events WHERE user_id = ?1 AND events.item_id = items.item_id AND kind != 'user')
WHERE item_id IN (SELECT item_id FROM events WHERE user_id = ?1 AND kind != 'user')""",
    "DELETE FROM users WHERE user_id = ?1",
)

WHOLE = """
SELECT (SELECT count(*) FROM told WHERE posted = noted.posted AND removed = noted.removed AND seals = noted.seals),
    noted.items - noted.ids, noted.unknown
FROM (
    SELECT ifnull(sum(posted), 0) AS posted, ifnull(sum(removed), 0) AS removed, ifnull(sum(seals), 0) AS seals,
        count(*) AS items, count(DISTINCT item_id) AS ids,
        total(seals != 0 AND NOT EXISTS (SELECT 1 FROM main.events WHERE events.item_id = items.item_id)) AS unknown
    FROM items
) AS noted"""
"""Whether the notes of items add up, how many are there twice, and how many are of items that no event is about."""

_AMISS = """SELECT {key} FROM (
    SELECT {key}, sum(seal) FROM events WHERE {key} IS NOT NULL {which} GROUP BY {key} EXCEPT SELECT {key}, seals FROM {table}
) UNION ALL SELECT {key} FROM (
    SELECT {key}, seals FROM {table} WHERE seals != 0
    EXCEPT SELECT {key}, sum(seal) FROM events WHERE {key} IS NOT NULL {which} GROUP BY {key}
) LIMIT 1"""
"""A user or an item whose events, found by their index, do not add up to what was noted. An item that nothing but forgotten
people's events were about stays, without any."""


def noted(db: sqlite3.Connection) -> bool:
    """Whether the file has such notes: those of earlier days do not yet."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'told'").fetchone() is not None


def note_all(db: sqlite3.Connection) -> None:
    """Begin the notes, inside of a transaction."""
    for statement in (*_MADE, *_NOTE):
        db.execute(statement)


def note(db: sqlite3.Connection) -> None:
    """Bring the notes up to date, inside of a transaction that has added to `events`."""
    for statement in _NOTE:
        db.execute(statement)


def forget(db: sqlite3.Connection, user_id: str) -> None:
    """Leave a user's events out of the notes, inside of a transaction that empties them next."""
    for statement in _FORGET:
        db.execute(statement, (user_id,))


def amiss(*tables: str) -> list[str]:
    """A statement for each of `users` and `items`: somebody whose events do not add up, if there is anybody."""
    which = {"users": "", "items": "AND kind != 'user'"}
    return [_AMISS.format(key=f"{table[:-1]}_id", which=which[table], table=table) for table in tables]


def whole(path: Path, found: tuple[int, int, float]) -> None:
    """Take what `WHOLE` found.

    Raises:
        StoreError: the notes of items are not what was written.
    """
    adds_up, twice, unknown = found
    if not adds_up or twice or unknown:
        raise damaged(path, "its notes of items as they were written", "others, by their checksums")
