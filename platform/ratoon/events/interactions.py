"""The questions about interactions: what users have had, and what is popular."""

import json
from collections.abc import Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

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


def counting(events: pa.Table, types: Types, without: Sequence[int] = ()) -> pa.Table:
    """The interactions among events (LOG_SCHEMA) that are of these types and not at these offsets."""
    which = pc.equal(events.column("kind"), "interaction")
    if types is not None:
        which = pc.and_(which, pc.is_in(events.column("type"), pa.array(types, pa.string())))
    if without:
        which = pc.and_(which, pc.invert(pc.is_in(events.column("offset"), pa.array(without, pa.int64()))))
    return events.filter(which)


def pairs(events: pa.Table) -> Iterable[tuple[str, int, str]]:
    """User, offset and item of each."""
    return zip(*(events.column(name).to_pylist() for name in ("user_id", "offset", "item_id")), strict=True)
