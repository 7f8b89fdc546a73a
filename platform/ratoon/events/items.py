"""What the log's events say of each item, noted in the log's file whenever the tail is settled.

A catalogue is then read from as many rows as there are items, and not from as many as there were events.
"""

import sqlite3

_OF_ITEMS = """SELECT item_id, max("offset" * (kind = 'item')), max("offset" * (kind = 'remove'))
FROM events WHERE kind != 'user' AND {which} GROUP BY item_id"""
_ITEMS = (
    # What the events up to an offset say of each item, so that no reader has to go through them all.
    "CREATE TABLE items (item_id TEXT PRIMARY KEY, posted INTEGER NOT NULL, removed INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE told (upto INTEGER NOT NULL)",
    "INSERT INTO told VALUES (0)",
    f"""CREATE TRIGGER items_forgotten AFTER DELETE ON events WHEN OLD.item_id IS NOT NULL BEGIN
    UPDATE told SET upto = min(upto, (SELECT ifnull(max("offset"), 0) FROM events));
    DELETE FROM items WHERE item_id = OLD.item_id;
    INSERT INTO items {_OF_ITEMS.format(which='item_id = OLD.item_id AND "offset" <= (SELECT upto FROM told)')};
END""",
)
_NOTE = (
    f"""INSERT INTO items {_OF_ITEMS.format(which='item_id IS NOT NULL AND "offset" > (SELECT upto FROM told)')}
ON CONFLICT (item_id) DO UPDATE SET posted = max(posted, excluded.posted), removed = max(removed, excluded.removed)""",
    'UPDATE told SET upto = (SELECT ifnull(max("offset"), 0) FROM events)',
)

# As one JSON text: a row each for tens of thousands of items takes four times as long.
_SAID = """
    SELECT item_id, kind, "offset" FROM main.events WHERE {which} AND "offset" <= ?1 AND kind != 'user'
    UNION ALL SELECT item_id, kind, "offset" FROM newest WHERE {which} AND "offset" <= ?1 AND kind != 'user'"""
CATALOGUE = f"""
WITH odd AS (
    SELECT item_id FROM main.events WHERE "offset" > ?1 AND "offset" <= (SELECT upto FROM told) AND item_id IS NOT NULL
    UNION SELECT item_id FROM logged WHERE "offset" IN (SELECT value FROM json_each(?2)) AND item_id IS NOT NULL
), late AS MATERIALIZED (
    SELECT item_id, max("offset" * (kind = 'item')) AS posted, max("offset" * (kind = 'remove')) AS removed
    FROM ({_SAID.format(which='"offset" > (SELECT upto FROM told) AND item_id IS NOT NULL')}) GROUP BY item_id
)
SELECT json_group_array(item_id) FROM (SELECT item_id FROM (
    SELECT item_id FROM items WHERE posted >= removed AND item_id NOT IN odd AND item_id NOT IN (SELECT item_id FROM late)
    UNION ALL SELECT late.item_id FROM late LEFT JOIN items USING (item_id)
    WHERE late.item_id NOT IN odd AND max(late.posted, ifnull(items.posted, 0)) >= max(late.removed, ifnull(items.removed, 0))
    UNION ALL SELECT item_id FROM ({_SAID.format(which="item_id IN odd")})
    WHERE "offset" NOT IN (SELECT value FROM json_each(?2))
    GROUP BY item_id HAVING max("offset" * (kind = 'item')) >= max("offset" * (kind = 'remove'))
) ORDER BY item_id)"""
"""The items alive at the offset ?1, as if nothing were at the offsets in the JSON list ?2: by the notes and the events since.
Where something in the notes does not count, the item's own events are read."""

REMOVED = """
SELECT DISTINCT item_id FROM logged AS gone WHERE kind = 'remove' AND "offset" > ? {gone} AND NOT EXISTS (
    SELECT 1 FROM logged AS back WHERE back.item_id = gone.item_id AND back."offset" > gone."offset" AND back.kind = 'item' {back}
) ORDER BY item_id"""
POSTED = """
SELECT item_id, max(kind = 'remove') FROM logged WHERE kind IN ('item', 'remove') AND "offset" > ? {events} GROUP BY item_id
HAVING max("offset" * (kind = 'item')) > max("offset" * (kind = 'remove')) ORDER BY item_id"""


def noted(db: sqlite3.Connection) -> bool:
    """Whether the file has such notes: those of earlier days do not yet."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'told'").fetchone() is not None


def note_all(db: sqlite3.Connection) -> None:
    """Begin the notes, inside of a transaction."""
    for statement in (*_ITEMS, *_NOTE):
        db.execute(statement)


def note(db: sqlite3.Connection) -> None:
    """Bring the notes up to date, inside of a transaction that has added to `events`."""
    for statement in _NOTE:
        db.execute(statement)
