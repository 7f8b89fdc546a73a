"""What events make of one entity: its feature rows from Python records, at the server and wherever only a few are asked for.

A row carries the event's time plus 1 us, and the arrival of the newest event it depends on plus 1 us: no label can meet a
feature that was computed from it, and none can meet a feature that had not arrived when the label did.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.event import LOG_SCHEMA
from ratoon.features.folds import profiles
from ratoon.features.folds.exact import LARGEST
from ratoon.features.folds.fold import Plan
from ratoon.features.folds.given import Unusable as Unusable
from ratoon.features.folds.given import check as check
from ratoon.features.folds.given import convert as convert
from ratoon.features.folds.interactions import Step, anew
from ratoon.features.folds.profiles import Record as Record
from ratoon.features.views import View

_TIMES = ("event_timestamp", "created_timestamp")


def records(table: pa.Table) -> list[Record]:
    """Log events (LOG_SCHEMA), or feature rows, as records, times as integers."""
    for name in _TIMES:
        table = table.set_column(table.column_names.index(name), name, table.column(name).cast(pa.int64()))
    rows: list[Record] = table.to_pylist()
    return rows


def feature_rows(view: View, old: Sequence[Record], new: Iterable[Record], unusable: list[Unusable]) -> Iterator[Record]:
    """The rows that `new` events add to `view` for ONE entity.

    Args:
        old: the entity's earlier events, in any order.
        new: its new events in the order of their arrival. One that happened before others already known makes later
            rows wrong, so those are valued again, as of its arrival.
        unusable: collects values of `new` that had to be left out.
    """
    if view.origin != "interaction":
        yield from profiles.feature_rows(view, old, new, unusable)
        return
    plan, (past, arrived) = Plan(view), (_interactions(old), _interactions(new))
    unusable.extend(out_of_range(plan, arrived))
    yield from records(Step(plan, arrived, anew(plan, past, arrived, np.arange(arrived.num_rows))).rows())


def newest_row(view: View, events: Sequence[Record], unusable: list[Unusable]) -> Record | None:
    """The one row of an entity that is valid after all its `events`; None if they say nothing about this view."""
    if view.origin != "interaction":
        return profiles.newest_row(view, events, unusable)
    plan, table = Plan(view), _interactions(events).sort_by([("event_timestamp", "ascending"), ("event_id", "ascending")])
    if not table.num_rows:
        return None
    unusable.extend(out_of_range(plan, table))
    newest = table.num_rows - 1
    (row,) = records(Step(plan, table, anew(plan, table.slice(0, newest), table, np.array([newest]))).rows())
    return row


def newest_rows(view: View, events: pa.Table) -> pa.Table:
    """`newest_row` of many entities at once, in the order of their keys (`view.arrow_schema`).

    Args:
        view: of interactions.
        events: in any order (LOG_SCHEMA).
    """
    table = events.filter(pc.equal(events.column("kind"), "interaction"))
    if not table.num_rows:
        return view.arrow_schema.empty_table()
    table = table.sort_by([(name, "ascending") for name in (view.key, "event_timestamp", "event_id")])
    keys = table.column(view.key).combine_chunks()
    last = np.append(pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False), True)
    newest, past = table.filter(pa.array(last)), table.filter(pa.array(~last))
    plan = Plan(view)
    return Step(plan, newest, anew(plan, past, newest, np.arange(newest.num_rows))).rows()


def out_of_range(plan: Plan, interactions: pa.Table) -> Iterator[Unusable]:
    """Values that `plan`'s view counts as missing because they are too large."""
    if "value" not in plan.columns:
        return
    values = interactions.column("value").cast(pa.float64()).to_numpy()
    for place in np.flatnonzero(np.abs(values) > LARGEST).tolist():
        event_id = str(interactions.column("event_id")[place].as_py())
        yield Unusable(event_id, "value", f"a number within -{LARGEST:g} and {LARGEST:g}", repr(float(values[place])))


def _interactions(events: Iterable[Record]) -> pa.Table:
    kept = [event for event in events if event["kind"] == "interaction"]
    return pa.table(
        {field.name: _column([event.get(field.name) for event in kept], field) for field in LOG_SCHEMA}, schema=LOG_SCHEMA
    )


def _column(values: Sequence[object], field: pa.Field) -> pa.Array:
    return pa.array(values, pa.int64()).cast(field.type) if field.name in _TIMES else pa.array(values, field.type)
