"""Rows that somebody else writes, held against the rules of their view each time their files change.

They cannot be put aside: the files are not ours. A rule that warns is listed by `ratoon quarantine list`; one that blocks
stops the run before anything is read from the file. Files behind a URI (s3://...) are left to whoever writes them.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pandera.polars as pandera
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pandera.errors import SchemaErrors

from ratoon import durable
from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.features.foreign_files import reading
from ratoon.features.quality.checks import failures
from ratoon.features.quality.freshness import local_files
from ratoon.features.quality.judging import FEWEST_IN_BATCH, reasoned
from ratoon.features.quality.ledger import Ledger
from ratoon.features.quality.measures import Rows, measure
from ratoon.features.quality.rules import BATCH, Rule
from ratoon.features.views import View

Row = dict[str, object]
MOST = 1_000
"""Rows listed per file and rule."""


def inspect(views: Sequence[View], rules: Sequence[Rule], folder: Path, now: datetime) -> int:
    """Judge the foreign files that changed since last time; how many rows of all of them break a rule.

    Args:
        folder: `features/quarantine`.

    Raises:
        DataError: a rule that blocks is broken, or a file cannot be read; names view, file and reason. The file is judged
            again next time.
    """
    ledger, total = Ledger(folder), 0
    for view in views:
        mine = [rule for rule in rules if rule.view == view.name]
        if view.origin == "foreign" and mine:
            total += _inspect(view, mine, ledger, now)
    return total


def _inspect(view: View, rules: Sequence[Rule], ledger: Ledger, now: datetime) -> int:
    path = ledger.folder / f"checked-{view.name}.json"
    asked = [rule.key for rule in rules]
    before = json.loads(path.read_bytes()) if path.exists() else {}
    known: dict[str, list[int]] = before.get("files", {}) if before.get("rules") == asked else {}
    files = {str(file): [file.stat().st_size, file.stat().st_mtime_ns] for file in local_files(view)}
    same = {file for file, stamp in files.items() if known.get(file) == stamp}
    rows = [row for row in ledger.rows() if row["view"] == view.name and row["file"] in same]
    for file in sorted(files.keys() - same):
        rows += _judged(view, rules, Path(file), now)
    ledger.report_rows(view.name, rows)
    durable.write(path, json.dumps({"rules": asked, "files": files}, sort_keys=True).encode())
    return len(rows)


def _judged(view: View, rules: Sequence[Rule], file: Path, now: datetime) -> Iterator[Row]:
    table = _read(view, rules, file)
    for rule in rules:
        if rule.kind == "schema":
            faults = _schema_faults(view, table)
            if faults:
                yield _found(view, rule, file, None, "; ".join(faults), now)
    columns = {name: _whole(table.column(name)) for name in table.column_names}
    columns["event_timestamp"] = columns.get(view.timestamp_field, pa.nulls(table.num_rows, TIME))
    columns["created_timestamp"] = columns.get(view.created_timestamp_field, pa.nulls(table.num_rows, TIME))
    columns |= {name: columns[name].cast(TIME, safe=False) for name in ("event_timestamp", "created_timestamp")}
    fit = [rule for rule in rules if rule.kind != "schema" and (not rule.field or rule.field in columns)]
    fit = [rule for rule in fit if rule.kind not in BATCH or table.num_rows >= FEWEST_IN_BATCH]
    measured = {rule: measure(rule, Rows(columns, now)) for rule in fit}
    for rule, broken in failures(measured).items():
        places = np.flatnonzero(broken)[: 1 if rule.kind in BATCH else MOST]
        for place in places:
            reason = reasoned(rule, measured[rule], columns, int(place))
            yield _found(view, rule, file, None if rule.kind in BATCH else int(place), reason, now)


def _found(view: View, rule: Rule, file: Path, row: int | None, reason: str, now: datetime) -> Row:
    if rule.action == "block":
        raise DataError(
            f"file {file} of view {view.name!r}",
            expected=rule.text,
            found=f"row {row}: {reason}" if row is not None else reason,
            fix="Have the file written again, or mark the rule `warn` in feature_repo/.",
        )
    return {
        "view": view.name,
        "file": str(file),
        "row": row,
        "rule": rule.text,
        "action": rule.action,
        "reason": reason,
        "when": now.isoformat(),
    }


def _read(view: View, rules: Sequence[Rule], file: Path) -> pa.Table:
    with reading(view.name, file):
        schema = pq.read_schema(file)
        wanted = {view.key, view.timestamp_field, view.created_timestamp_field, *(rule.field for rule in rules)}
        if any(rule.kind == "schema" for rule in rules):
            wanted |= {field.name for field in view.fields}
        return pq.read_table(file, columns=[name for name in schema.names if name in wanted], partitioning=None)


def _schema_faults(view: View, table: pa.Table) -> list[str]:
    """What is wrong with a file's columns; the times may have any unit and zone."""
    expected = {view.key: pa.string(), **{field.name: field.arrow for field in view.fields}}
    wanted = {name: pandera.Column(_dtype(of)) for name, of in expected.items()}
    wanted[view.timestamp_field] = pandera.Column(None)
    empty = pl.DataFrame(pl.from_arrow(table.slice(0, 0)))
    try:
        pandera.DataFrameSchema(wanted).validate(empty, lazy=True)
    except SchemaErrors as found:
        rows = found.failure_cases.select("column", "check", "failure_case").iter_rows()
        return [
            f"no column {case}" if check == "column_in_dataframe" else f"{column} is {case}, {check}"
            for column, check, case in rows
        ]
    return []


def _dtype(of: pa.DataType) -> pl.DataType:
    return pl.Series(pl.from_arrow(pa.array([], of))).dtype


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pc.cast(column, column.type).combine_chunks()
