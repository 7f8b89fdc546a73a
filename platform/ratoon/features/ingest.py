"""Event log -> offline Parquet. Each view appends one file per run and remembers its own position by the file's name."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.features.derive import Record, Unusable, feature_rows, records
from ratoon.features.views import View
from ratoon.ports import EventLog

EDITION = b"ratoon.edition"
"""Key in a file's metadata: the `View.edition` that its rows were derived by."""

WHOLE_LOG = 20_000
"""With more new events than this, one pass over the log is cheaper than asking for each entity's history."""


def part_name(first: int, last: int) -> str:
    """The file that holds the rows of events with first < offset <= last."""
    return f"part-{first:012d}-{last:012d}.parquet"


def position(folder: Path) -> int:
    """The newest offset whose rows a view's folder holds; 0 for none."""
    return max((int(part.stem.rpartition("-")[2]) for part in folder.glob("part-*.parquet")), default=0)


def ingest(views: Iterable[View], log: EventLog, quarantine: Path) -> int:
    """Bring every view that events fill up to the log's end; return how many events were new to the view furthest behind.

    Safe to repeat and to kill: a file appears whole or not at all, and its name says what it holds. A view whose fields or
    folds have changed is derived anew from the whole log.
    """
    end, most = log.end(), 0
    for view in views:
        if view.origin == "foreign":
            continue
        _forget_other_editions(view)
        start = position(view.folder)
        if start == 0 and not (view.folder / part_name(0, 0)).exists():
            _write(view, (), view.folder / part_name(0, 0))
        if start < end:
            unusable: list[Unusable] = []
            rows = sorted(_rows(view, log, start, end, unusable), key=itemgetter("created_timestamp", "event_timestamp"))
            _report(unusable, quarantine / f"{view.name}-{start}-{end}.jsonl")
            durable.fault_point("ingest.view")
            _write(view, rows, view.folder / part_name(start, end))
        most = max(most, end - start)
    durable.fault_point("ingest.done")
    return most


def _forget_other_editions(view: View) -> None:
    first = view.folder / part_name(0, 0)
    if first.exists() and (pq.read_schema(first).metadata or {}).get(EDITION) != view.edition.encode():
        for part in sorted(view.folder.glob("part-*.parquet"), reverse=True):  # the first one last: it says what to do
            part.unlink()


def _rows(view: View, log: EventLog, start: int, end: int, unusable: list[Unusable]) -> Iterable[Record]:
    new = [event for event in records(log.read(start, end)) if event["kind"] == view.origin]
    entities = sorted({str(event[view.key]) for event in new})
    if end - start > WHOLE_LOG:
        past = records(log.read(0, start)) if start else []
    else:
        past = records(log.history(view.entity, entities, upto=start)) if start else []
    known, arrived = _by_entity(view, past), _by_entity(view, new)
    for entity in entities:
        yield from feature_rows(view, known.get(entity, ()), arrived[entity], unusable)


def _by_entity(view: View, events: Sequence[Record]) -> dict[str, list[Record]]:
    relevant = [event for event in events if event["kind"] == view.origin]
    relevant.sort(key=itemgetter(view.key, "offset"))
    return {str(entity): list(group) for entity, group in groupby(relevant, key=itemgetter(view.key))}


def _write(view: View, rows: Sequence[Record], path: Path) -> None:
    schema = view.arrow_schema
    table = pa.table({field.name: column([row.get(field.name) for row in rows], field.type) for field in schema}, schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({EDITION: view.edition}), sink, compression="zstd")
    durable.write(path, sink.getvalue().to_pybytes())


def column(values: Sequence[object], of: pa.DataType) -> pa.Array:
    """An Arrow array of records' values; times come as microseconds."""
    if pa.types.is_timestamp(of):
        return pa.array(values, pa.int64()).cast(of)
    if pa.types.is_list(of) and pa.types.is_timestamp(of.value_type):
        return pa.array(values, pa.list_(pa.int64())).cast(of)
    return pa.array(values, of)


def _report(unusable: Sequence[Unusable], path: Path) -> None:
    if unusable:
        lines = [json.dumps({name: getattr(entry, name) for name in Unusable.__slots__}) for entry in unusable]
        durable.write(path, ("\n".join(lines) + "\n").encode())
