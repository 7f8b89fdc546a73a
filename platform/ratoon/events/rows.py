"""Events as SQLite has them and as Arrow has them."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.event import LOG_SCHEMA, TIME

CHUNK = 900
"""Older SQLite takes at most 999 parameters."""


def rows_of(logged: pa.Table) -> Sequence[tuple[object, ...]]:
    """A row per event of the log (LOG_SCHEMA, and perhaps more columns), times in microseconds since 1970."""
    columns = (pc.cast(column, pa.int64()) if column.type == TIME else column for column in logged.columns)
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def marks(values: Sequence[object]) -> str:
    """Places for parameters."""
    return ", ".join("?" * len(values))


def table_of(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    """The inverse of `rows_of`."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(LOG_SCHEMA)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, LOG_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=LOG_SCHEMA)
