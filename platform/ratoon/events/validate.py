"""What an event must be before the log takes it; the first one that is not is named, with its field and place."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA, KINDS

LONGEST_ID = 256
"""Characters in an id."""
LONGEST_FEATURES = 64 * 1024
"""Bytes in one event's features."""
SKEW = timedelta(minutes=5)
"""How far a caller's clock may run ahead of ours, unless that is configured."""

Fault = tuple[int, str, str]
"""Where in the batch, which field, and what was expected."""

_IDS = ("event_id", "user_id", "item_id", "request_id", "surface", "type")
_NEEDED_BY = {"user_id": ("interaction", "user"), "item_id": ("interaction", "item", "remove")}
_EARLIEST, _LATEST = 0, 4_102_444_800_000_000  # 1970-01-01 and 2100-01-01, in microseconds


def validated(events: pa.Table, present: datetime | None, skew: timedelta = SKEW) -> pa.Table:
    """The batch with exactly the columns and types of EVENT_SCHEMA.

    Args:
        events: n events.
        present: the wall clock's now; None where event times make the clock.
        skew: how far ahead of it an event may be dated.

    Raises:
        DataError: a column is missing or of another type, or an event breaks a rule; names the first such event.
    """
    typed = pa.table([_column(events, field) for field in EVENT_SCHEMA], names=EVENT_SCHEMA.names)
    faults = [*_missing(typed), *_malformed(typed), *_times(typed, present, skew), *_features(typed)]
    if faults:
        _refuse(typed, min(faults, key=lambda fault: fault[0]))
    return typed


def _column(events: pa.Table, field: pa.Field) -> pa.ChunkedArray:
    try:
        return events.column(field.name).cast(field.type)
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as wrong:
        found = "no such column" if field.name not in events.column_names else str(events.column(field.name).type)
        raise DataError(
            f"events.{field.name}", expected=f"a column of type {field.type}", found=found, fix="Build the batch by EVENT_SCHEMA."
        ) from wrong


def _refuse(events: pa.Table, fault: Fault) -> NoReturn:
    place, field, expected = fault
    value = events.column(field)[place].as_py()
    found = "nothing" if value is None else value.isoformat() if isinstance(value, datetime) else repr(value)
    raise DataError(
        f"events[{place}].{field}",
        expected=expected,
        found=found if len(found) <= 100 else f"{found[:100]}… ({len(found)} characters)",
        fix="Correct it and send the batch again; nothing of it was stored.",
    )


def _first(mask: pa.ChunkedArray, field: str, expected: str) -> Iterator[Fault]:
    """The first true place of `mask`, as a fault; nulls count as false."""
    place = pc.index(mask, True).as_py()
    if place >= 0:
        yield place, field, expected


def _missing(events: pa.Table) -> Iterator[Fault]:
    kinds = events.column("kind")
    for field in ("event_id", "kind", "event_timestamp"):
        yield from _first(pc.is_null(events.column(field)), field, "a value")
    for field, needing in _NEEDED_BY.items():
        needed = pc.and_(pc.is_in(kinds, pa.array(needing)), pc.is_null(events.column(field)))
        yield from _first(needed, field, f"a value, as the kind is {' or '.join(needing)}")


def _malformed(events: pa.Table) -> Iterator[Fault]:
    known = pc.is_in(events.column("kind"), pa.array(KINDS))
    yield from _first(pc.invert(known), "kind", f"one of {', '.join(KINDS)}")
    for field in _IDS:
        length = pc.utf8_length(events.column(field))
        wrong = pc.or_(pc.less(length, 1), pc.greater(length, LONGEST_ID))
        yield from _first(wrong, field, f"1 to {LONGEST_ID} characters")
    yield from _first(pc.invert(pc.is_finite(events.column("value"))), "value", "a finite number or nothing")


def _times(events: pa.Table, present: datetime | None, skew: timedelta) -> Iterator[Fault]:
    times = events.column("event_timestamp").cast(pa.int64())
    outside = pc.or_(pc.less(times, _EARLIEST), pc.greater_equal(times, _LATEST))
    yield from _first(outside, "event_timestamp", "a time between 1970 and 2100")
    if present is not None:
        limit = pa.scalar(present + skew, pa.timestamp("us", "UTC"))
        ahead = pc.greater(events.column("event_timestamp"), limit)
        expected = f"a time at most {skew.total_seconds():g} s after now ({present.isoformat()}): clock skew, [events] skew_s"
        yield from _first(ahead, "event_timestamp", expected)


def _features(events: pa.Table) -> Iterator[Fault]:
    texts = events.column("features")
    yield from _first(pc.greater(pc.binary_length(texts), LONGEST_FEATURES), "features", "at most 64 kB of JSON")
    for place, text in enumerate(texts.to_pylist() if texts.null_count < len(texts) else ()):
        if text is not None and not _is_object(text):
            yield place, "features", "a JSON object"
            return


def _is_object(text: str) -> bool:
    try:
        value = json.loads(text, parse_constant=_no_json)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair can be escaped, but is no character
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict)


def _no_json(constant: str) -> NoReturn:
    # Python reads NaN and Infinity; RFC 8259 has neither, and the stores behind us refuse them.
    raise ValueError(constant)
