"""The questions about events themselves: whose they are, by which id they came, and which happened last."""

from ratoon.events.tail import NAMES, ROW
from ratoon.events.writing import NEWEST as _OF_ALL

HISTORY = f"""SELECT {NAMES} FROM logged WHERE "offset" > ? AND "offset" <= ? AND {{key}} IN ({{ids}})
ORDER BY {{key}}, event_timestamp, event_id"""
KNOWN = f"""
SELECT {ROW} FROM main.events WHERE "offset" IN (SELECT "offset" FROM ids WHERE hash IN ({{marks}})) AND event_id IN ({{marks}})
UNION ALL SELECT {ROW} FROM newest WHERE event_id IN ({{marks}})"""
NEWEST = _OF_ALL.format(tail="newest")
OLDER = f"""
SELECT {ROW} FROM logged WHERE (event_timestamp, "offset") < (?, ?) ORDER BY event_timestamp DESC, "offset" DESC LIMIT ?"""
