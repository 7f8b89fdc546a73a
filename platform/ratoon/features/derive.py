"""From acknowledged events to feature rows: what each event makes of its entity, valid strictly after it.

A row carries the event's time plus 1 us, and the arrival of the newest event it depends on plus 1 us: no label can meet a
feature that was computed from it, and none can meet a feature that had not arrived when the label did.
"""

import json
import math
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from ratoon.domain.errors import DataError
from ratoon.features.aggregates import Row, parse
from ratoon.features.views import View, ViewField

Record = dict[str, object]
"""One event or one feature row: column name -> Python value; times in microseconds since 1970."""

TICK_US = 1


@dataclass(frozen=True, slots=True)
class Unusable:
    """A value that does not fit its feature's type; the feature is missing in that row."""

    event_id: str
    field: str
    expected: str
    found: str


def records(events: pa.Table) -> list[Record]:
    """Log events (LOG_SCHEMA) as records, times as integers."""
    times = ("event_timestamp", "created_timestamp")
    for name in times:
        events = events.set_column(events.column_names.index(name), name, events.column(name).cast(pa.int64()))
    rows: list[Record] = events.to_pylist()
    return rows


def feature_rows(view: View, old: Sequence[Record], new: Iterable[Record], unusable: list[Unusable]) -> Iterator[Record]:
    """The rows that `new` events add to `view` for ONE entity.

    Args:
        old: the entity's earlier events in (event_timestamp, event_id) order.
        new: its new events in the order of their arrival. One that happened before others already known makes later
            rows wrong, so those are valued again, as of its arrival.
        unusable: collects values of `new` that had to be left out.
    """
    known, arrived, unfit = sorted(old, key=_moment), set[str](), list[Unusable]()
    step = _fold(view, unfit)
    for event in known:
        step(event)
    for event in new:
        arrived.add(str(event["event_id"]))
        at = bisect(known, _moment(event), key=_moment)
        known.insert(at, event)
        affected: Sequence[Record] = (event,)
        if at < len(known) - 1:
            affected, step = known[at:], _fold(view, unfit)
            for earlier in known[:at]:
                step(earlier)
        valued = ((later, step(later)) for later in affected)
        # Of rows with the same two stamps a join would take any; the last one knows all the events of its moment.
        yield from {
            later["event_timestamp"]: _stamped(view, event, later, row) for later, row in valued if row is not None
        }.values()
    unusable.extend(dict.fromkeys(value for value in unfit if value.event_id in arrived))


def newest_row(view: View, events: Sequence[Record], unusable: list[Unusable]) -> Record | None:
    """The one row of an entity that is valid after all its `events`; None if they say nothing about this view."""
    step, newest = _fold(view, unusable), None
    for event in sorted(events, key=_moment):
        values = step(event)
        if values is not None:
            newest = _stamped(view, event, event, values)
    return newest


def _moment(event: Record) -> tuple[int, str]:
    moment, key = event["event_timestamp"], event["event_id"]
    assert isinstance(moment, int)
    return moment, str(key)


def _stamped(view: View, cause: Record, event: Record, values: Record) -> Record:
    arrived, happened = cause["created_timestamp"], event["event_timestamp"]
    assert isinstance(arrived, int)
    assert isinstance(happened, int)
    stamps = {"event_timestamp": happened + TICK_US, "created_timestamp": arrived + TICK_US}
    return {view.key: event[view.key], **values, **stamps}


def _fold(view: View, unusable: list[Unusable]) -> Callable[[Record], Record | None]:
    return _fold_interactions(view) if view.origin == "interaction" else _fold_profile(view, unusable)


def _fold_interactions(view: View) -> Callable[[Row], Record | None]:
    states = {field.name: (parse(field.name, field.aggregate)(), field) for field in view.fields}

    def step(event: Row) -> Record | None:
        if event["kind"] != "interaction":
            return None
        return {name: _folded(state.step(event), field) for name, (state, field) in states.items()}

    return step


def _folded(value: object, field: ViewField) -> object:
    return round(value) if isinstance(value, float) and field.dtype.startswith("INT") else value


def _fold_profile(view: View, unusable: list[Unusable]) -> Callable[[Record], Record | None]:
    state: Record = {field.name: None for field in view.fields}
    fields = {field.name: field for field in view.fields}

    def step(event: Record) -> Record | None:
        if event["kind"] != view.origin:
            return None
        given = json.loads(str(event["features"] or "{}"))
        for name in sorted(given.keys() & fields.keys()):
            try:
                state[name] = convert(given[name], fields[name])
            except DataError as error:
                state[name] = None
                unusable.append(Unusable(str(event["event_id"]), name, error.expected, error.found))
        return dict(state)

    return step


def check(features: Mapping[str, object], views: Iterable[View]) -> None:
    """Refuse features whose values do not fit, before they are acknowledged.

    Names that no view has are let pass: the log keeps them, and a view defined later is filled from there.

    Raises:
        DataError: naming the feature.
    """
    fields = {field.name: field for view in views for field in view.fields if view.origin in ("user", "item")}
    for name in features.keys() & fields.keys():
        convert(features[name], fields[name])


def convert(value: object, field: ViewField) -> object:
    """A JSON value as `field` stores it; times become microseconds since 1970.

    Raises:
        DataError: if it does not fit the field's type.
    """
    if value is None:
        return None
    if field.dtype.endswith("_LIST"):
        if not isinstance(value, list):
            raise _unfit(field, value)
        one = ViewField(field.name, field.dtype.removesuffix("_LIST"))
        if None in value:
            raise _unfit(field, value)
        return [convert(entry, one) for entry in value]
    converted = _scalar(value, field.dtype)
    if converted is None:
        raise _unfit(field, value)
    return converted


def _scalar(value: object, dtype: str) -> object:
    number = _number(value)
    match dtype:
        case "STRING":
            return value if _utf8(value) is not None else None
        case "BOOL":
            return value if isinstance(value, bool) else None
        case "INT32" | "INT64":
            fits = number.is_integer() and abs(number) < 2 ** (int(dtype[3:]) - 1)
            return (value if isinstance(value, int) else int(number)) if fits else None
        case "FLOAT" | "DOUBLE":
            return number if abs(number) <= _LARGEST[dtype] else None
        case "BYTES":
            return _utf8(value)
        case _:
            return _microseconds(value)


def _number(value: object) -> float:
    """A JSON number; NaN for what is none, or too large for any type here."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan


def _utf8(value: object) -> bytes | None:
    """A text's bytes; None for what is no text, or has half of a surrogate pair, which JSON lets pass and no store takes."""
    try:
        return value.encode() if isinstance(value, str) else None
    except UnicodeEncodeError:
        return None


def _microseconds(value: object) -> int | None:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _MICROSECOND
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e11:
        return int(value * 1_000_000)
    return None


_LARGEST = {"FLOAT": float(np.finfo(np.float32).max), "DOUBLE": float(np.finfo(np.float64).max)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _unfit(field: ViewField, value: object) -> DataError:
    expected = "an ISO 8601 date or seconds since 1970" if field.dtype == "UNIX_TIMESTAMP" else field.dtype.lower()
    return DataError(
        f"features.{field.name}",
        expected=expected,
        found=f"{value!r:.80}",
        fix="Send the type that feature_repo/ declares.",
    )
