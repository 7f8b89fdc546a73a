"""Events of users -> the rows of their views as they are now, many users at once."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.features.folds.derive import Record, newest_row, newest_rows, records
from ratoon.features.folds.ingest import column
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import Layout
from ratoon.features.online.pack import Packed, pack
from ratoon.features.online.store import Batch
from ratoon.features.views import View


def valued(views: Sequence[View], events: pa.Table) -> list[Batch]:
    """The newest row of every entity that the events say something of, for each view that is made of events.

    Args:
        events: all of these entities' (LOG_SCHEMA), in any order.
    """
    rows = [(view, _rows(view, events)) for view in views if view.origin != "foreign"]
    return [_batch(view, table) for view, table in rows if table.num_rows]


def _rows(view: View, events: pa.Table) -> pa.Table:
    if view.origin == "interaction":
        return newest_rows(view, events)
    told = events.filter(pc.equal(events.column("kind"), view.origin))
    mine: dict[str, list[Record]] = {}
    for event in records(told):
        mine.setdefault(str(event[view.key]), []).append(event)
    rows = [row for history in mine.values() if (row := newest_row(view, history, [])) is not None]
    columns = [column([row[field.name] for row in rows], field.type) for field in view.arrow_schema]
    return pa.Table.from_arrays(columns, schema=view.arrow_schema)


def _batch(view: View, rows: pa.Table) -> Batch:
    layout = Layout.of(view.fields)
    times, arrivals = (_micros(rows, name) for name in ("event_timestamp", "created_timestamp"))
    keys = text_keys(view.key, rows.column(view.key).to_pylist())
    return Batch(view.name, layout, Packed(keys, pack(layout, rows, times, arrivals), times, arrivals))


def _micros(rows: pa.Table, name: str) -> np.ndarray:
    micros: np.ndarray = rows.column(name).cast(pa.int64()).to_numpy()
    return micros
