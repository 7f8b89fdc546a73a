"""Rows of what users and items say of themselves: each event changes the features it names, the others stay."""

import json
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence

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
    """The one row that is valid after all of an entity's `events`; None if they say nothing about this view."""
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
