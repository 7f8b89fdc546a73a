"""Rows of what users and items say of themselves: each event changes the features it names, the others stay."""

import json
from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from ratoon.domain.errors import DataError
from ratoon.features.folds import stamps
from ratoon.features.folds.given import Unusable, convert
from ratoon.features.views import View

Record = dict[str, object]
"""One event or one feature row: column name -> Python value; times in microseconds since 1970."""


def feature_rows(view: View, old: Sequence[Record], new: Iterable[Record], unusable: list[Unusable]) -> Iterator[Record]:
    """The rows that `new` events add to `view` for ONE entity; see `ratoon.features.folds.derive.feature_rows`."""
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
    """The one row that is valid after all of an entity's `events`; None if they say nothing about this view.

    Args:
        unusable: collects values that would be in the row.
    """
    told = sorted((event for event in events if event["kind"] == view.origin), key=_moment, reverse=True)
    values: Record = {field.name: None for field in view.fields}
    unsaid = {field.name: field for field in view.fields if not field.embed}
    for event in told:
        for name, value in _of(event, unsaid).items():
            try:
                values[name] = convert(value, unsaid.pop(name))
            except DataError as error:
                unusable.append(Unusable(str(event["event_id"]), name, error.expected, error.found))
    return _stamped(view, told[0], told[0], values) if told else None


def _of(event: Record, names: Collection[str]) -> Record:
    """What an event says of some features. Most events of an entity say again what newer ones have said: they are not read."""
    text = str(event["features"] or "{}")
    if "\\" not in text and not any(f'"{name}"' in text for name in names):
        return {}
    return {name: value for name, value in sorted(json.loads(text).items()) if name in names}


def _moment(event: Record) -> tuple[int, str]:
    moment, key = event["event_timestamp"], event["event_id"]
    assert isinstance(moment, int)
    return moment, str(key)


def _stamped(view: View, cause: Record, event: Record, values: Record) -> Record:
    arrived, happened = cause["created_timestamp"], event["event_timestamp"]
    assert isinstance(arrived, int)
    assert isinstance(happened, int)
    valid = {"event_timestamp": happened + stamps.TICK_US, "created_timestamp": arrived + stamps.TICK_US}
    return {view.key: event[view.key], **values, **valid}


def _fold(view: View, unusable: list[Unusable]) -> Callable[[Record], Record | None]:
    state: Record = {field.name: None for field in view.fields}
    fields = {field.name: field for field in view.fields if not field.embed}

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
