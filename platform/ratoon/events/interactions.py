"""The questions about interactions: what users have had, and what is popular."""

import json
from collections.abc import Sequence

from ratoon.domain.labels import Types

SEEN = """
SELECT item_id, "offset" FROM logged
WHERE user_id = ? AND "offset" > ? AND "offset" < ? AND kind = 'interaction' {types} ORDER BY "offset" """
SEEN_BY = """
SELECT user_id, "offset", item_id FROM logged WHERE user_id IN ({ids}) AND "offset" < ? AND kind = 'interaction' {types}
ORDER BY user_id, "offset" """
RECENT = """
SELECT "offset", user_id, item_id FROM logged WHERE kind = 'interaction' AND "offset" <= ? {events} {types}
ORDER BY "offset" DESC LIMIT ?"""

FORGOT = """SELECT max("offset") FROM events WHERE kind = 'forgotten'"""


def of_types(types: Types, column: str = "type") -> tuple[str, list[str]]:
    """The condition that leaves other types out, and its parameters. Where all count it is empty: no row's type is read.

    Args:
        column: `+type` keeps SQLite from going by the index of types, where that of users is the shorter way.
    """
    return (f"AND {column} IN (SELECT value FROM json_each(?))", [json.dumps(list(types))]) if types is not None else ("", [])


def without_offsets(table: str, offsets: Sequence[int]) -> tuple[str, list[str]]:
    """The condition that leaves these offsets out, and its parameters; as JSON, since they may be very many."""
    return (f'AND {table}."offset" NOT IN (SELECT value FROM json_each(?))', [json.dumps(list(offsets))]) if offsets else ("", [])
