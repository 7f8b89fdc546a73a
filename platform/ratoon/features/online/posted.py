"""What items' own events say of them, at the server: the rows that ingestion will make, before there is an ingestion."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from ratoon.domain.schema import TowerSchema
from ratoon.features.folds.derive import Record, Unusable, newest_row, records
from ratoon.features.folds.ingest import column
from ratoon.features.views import View, ViewField, load
from ratoon.ports import EventLog

Wanted = list[tuple[View, list[ViewField]]]
"""The views that item events fill, and which of their fields a release knows."""

_COLUMNS = ["event_id", "kind", "item_id", "features", "event_timestamp", "created_timestamp"]

logger = logging.getLogger("ratoon.features")


def posted(views: Path, log: EventLog, item_ids: Sequence[str], schema: TowerSchema) -> pa.Table:
    """One row per item of what `schema` has and its events (kind `item`) fill; see `ratoon.ports.PostedItems`.

    An item with a value that does not fit its feature's type has no row, and the log of the process says why.

    Args:
        views: the file with the applied views.
    """
    wanted = _wanted(load(views), schema)
    histories: dict[str, list[Record]] = {}
    for event in records(log.history("item", item_ids).select(_COLUMNS)):
        histories.setdefault(str(event["item_id"]), []).append(event)
    rows = {item: row for item, events in histories.items() if (row := _row(item, wanted, events)) is not None}
    columns = {
        field.name: column([row[field.name] for row in rows.values()], field.arrow) for _, fields in wanted for field in fields
    }
    return pa.table({"item_id": pa.array(rows, pa.string()), **columns})


def _wanted(views: Sequence[View], schema: TowerSchema) -> Wanted:
    known = dict.fromkeys((*schema.display, *schema.filters), "") | {one.name: one.view for one in schema.item}
    return [
        (view, [field for field in view.fields if known.get(field.name) in ("", view.name)])
        for view in views
        if view.origin == "item"
    ]


def _row(item: str, wanted: Wanted, events: Sequence[Record]) -> Record | None:
    row: Record = {}
    for view, fields in wanted:
        unusable: list[Unusable] = []
        newest = newest_row(view, events, unusable) or {}
        row |= {field.name: newest.get(field.name) for field in fields}
        for wrong in unusable:
            if wrong.field in row and row[wrong.field] is None:  # a good value that was posted later counts
                said = "item %r waits for the next refresh: expected features.%s to be %s, found %s in event %r"
                logger.warning(said, item, wrong.field, wrong.expected, wrong.found, wrong.event_id)
                return None
    return row if any(value is not None for value in row.values()) else None
