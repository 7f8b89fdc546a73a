"""The questions about items: which are alive, which went and which came.

By what is noted of each (`notes`), and by the events since.
"""

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
