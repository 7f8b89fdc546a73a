"""Entity rows as callers bring them: pandas, Arrow, Polars, or a query. Nothing is ever written into the caller's frame."""

from collections.abc import Sequence
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa

from ratoon.domain.errors import DataError, UsageError
from ratoon.features.offline import sources
from ratoon.features.offline.asof_duckdb import database
from ratoon.features.offline.index import read_times
from ratoon.features.offline.spec import ViewSide

DEFAULT = "event_timestamp"
"""The column that Feast joins at, if entity rows have it."""


def entity_table(rows: Any) -> pa.Table:
    """Entity rows as an Arrow table.

    Args:
        rows: a pandas or Polars frame, an Arrow table, or a query in DuckDB's SQL.

    Raises:
        DataError: naming the column that mixes types.
        UsageError: for anything else, or a query that fails.
    """
    if isinstance(rows, str):
        return _queried(rows)
    if isinstance(rows, pa.Table):
        return rows
    if isinstance(rows, pl.LazyFrame):
        rows = rows.collect()
    if isinstance(rows, pl.DataFrame):
        table = rows.to_arrow()
        return table.cast(pa.schema([pa.field(one.name, _small(one.type)) for one in table.schema]))
    if isinstance(rows, pd.DataFrame):
        return pa.table({str(name): _from_pandas(rows.iloc[:, place]) for place, name in enumerate(rows.columns)})
    raise UsageError(
        "entity_df",
        expected="a pandas or Polars frame, an Arrow table, or a query as a string",
        found=type(rows).__name__,
        fix="Convert it, or pass start_date and end_date instead.",
    )


def _small(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_large_string(kind) else kind


def _from_pandas(column: pd.Series) -> pa.Array:
    try:
        found = pa.Array.from_pandas(column)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"entity column {str(column.name)!r}",
            expected="values of one type",
            found=str(error).splitlines()[0],
            fix="Convert the column.",
        ) from error
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return found.dictionary_decode() if pa.types.is_dictionary(found.type) else found


def _queried(query: str) -> pa.Table:
    try:
        with database().cursor() as connection:
            return connection.sql(query).to_arrow_table()
    except (duckdb.Error, AttributeError) as error:
        raise UsageError(
            "entity_df",
            expected="one SELECT that DuckDB can run",
            found=str(error).strip().splitlines()[0],
            fix="Correct the query; it may read files with read_parquet('...').",
        ) from error


def timestamp_column(table: pa.Table) -> str:
    """The column to join at: `event_timestamp`, or the only one that holds timestamps.

    Raises:
        DataError: if there is none, or no telling which.
    """
    if DEFAULT in table.column_names:
        return DEFAULT
    found = [field.name for field in table.schema if pa.types.is_timestamp(field.type)]
    if len(found) == 1:
        return str(found[0])
    raise DataError(
        "entity rows",
        expected=f"a column {DEFAULT!r}, or exactly one of timestamps",
        found=", ".join(f"{field.name} {field.type}" for field in table.schema) or "no column",
        fix=f"Name the time of each row {DEFAULT!r}.",
    )


def every_moment(sides: Sequence[ViewSide], start: int, end: int) -> pa.Table:
    """Entity rows for a request without any: each key and time at which a view has a row in start..end (microseconds).

    Views of different keys give rows in which the other keys are null. Sorted by time and keys.
    """
    frames = [read_times(side, sources.open_parts(side.source, side.where), start, end) for side in sides]
    whole = pl.concat(frames, how="diagonal_relaxed").unique().sort(DEFAULT, *(c for c in _keys(sides)))
    times = whole[DEFAULT].cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return entity_table(whole.with_columns(times).select(*_keys(sides), DEFAULT))


def _keys(sides: Sequence[ViewSide]) -> list[str]:
    return list(dict.fromkeys(name for side in sides for _, name in side.keys))
