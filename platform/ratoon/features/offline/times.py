"""Times of every kind as microseconds since 1970 UTC: naive ones are UTC, zones are converted, finer units are cut down.

One microsecond is the resolution of every join here; of two nanosecond times within the same microsecond none is earlier.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME

NEVER = np.iinfo(np.int64).min
"""Stands for a missing time: before everything."""

LATEST = np.iinfo(np.int64).max
"""After everything."""

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
ZONED = r"(Z|[+-]\d{2}:?\d{2})$"
"""How a text ends that names its zone."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = "timestamps, dates or ISO 8601 strings"


def micros(moment: datetime) -> int:
    """A moment in microseconds since 1970; a naive one is UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def to_micros(column: pa.ChunkedArray, where: str) -> np.ndarray:
    """A column of times, one int64 per row, NEVER where it is null.

    Raises:
        DataError: naming `where`, if the column holds anything else than times.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        return np.full(len(column), NEVER)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _whole(_parsed(column, where).cast(pa.int64()))
    if pa.types.is_date(kind):
        return _whole(column.cast(pa.timestamp("us")).cast(pa.int64()))
    if not pa.types.is_timestamp(kind):
        raise DataError(where, expected=_SHAPE, found=str(kind), fix="Convert the column.")
    return _scaled(_whole(column.cast(pa.int64())), kind.unit)


def _whole(column: pa.ChunkedArray) -> np.ndarray:
    found: np.ndarray = column.fill_null(NEVER).to_numpy()
    return found


def _scaled(values: np.ndarray, unit: str) -> np.ndarray:
    if unit == "us":
        return values
    missing = values == NEVER
    scaled = values // 1_000 if unit == "ns" else values * (1_000_000 // _PER_SECOND[unit])
    return np.where(missing, NEVER, scaled)


def _parsed(column: pa.ChunkedArray, where: str) -> pa.ChunkedArray:
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    zoned = pc.match_substring_regex(text, ZONED)
    try:
        local, exact = _cast(pc.if_else(zoned, None, text), None), _cast(pc.if_else(zoned, text, None), "UTC")
    except pa.ArrowInvalid as error:
        raise DataError(where, expected=_SHAPE, found=str(error).splitlines()[0], fix="Convert the column.") from error
    return pc.coalesce(exact, local.cast(TIME))


def _cast(text: pa.ChunkedArray, zone: str | None) -> pa.ChunkedArray:
    try:
        return text.cast(pa.timestamp("us", zone))
    except pa.ArrowInvalid:  # finer than microseconds; nanoseconds span fewer years, so they come second
        return text.cast(pa.timestamp("ns", zone)).cast(pa.timestamp("us", zone), safe=False)


def as_time(values: np.ndarray) -> pa.Array:
    """The inverse of `to_micros`."""
    return pa.array(values, pa.int64(), mask=values == NEVER).cast(TIME)


def scanned(name: str, kind: pa.DataType, where: str) -> pl.Expr:
    """`to_micros` as an expression over a scanned column; null where it is null."""
    column = pl.col(name)
    if pa.types.is_dictionary(kind):
        kind, column = kind.value_type, column.cast(pl.String)
    if pa.types.is_timestamp(kind):
        ticks, unit = column.to_physical(), _stored(kind)
        return ticks // 1_000 if unit == "ns" else ticks * (1_000_000 // _PER_SECOND[unit])
    if pa.types.is_date(kind):
        return column.cast(pl.Datetime("us")).to_physical()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.map_batches(lambda texts: _texts(texts, where), return_dtype=pl.Int64)
    raise DataError(where, expected=_SHAPE, found=str(kind), fix="Convert the column.")


def _texts(texts: pl.Series, where: str) -> pl.Series:
    values = to_micros(pa.chunked_array([texts.to_arrow()]), where)
    return pl.Series(texts.name, values).replace(NEVER, None)


def within(name: str, kind: pa.DataType, low: int | None, high: int) -> pl.Expr | None:
    """`low <= column <= high` (microseconds) in the column's own type, so that a scan can skip row groups; None if it cannot."""
    if not pa.types.is_timestamp(kind):
        return None
    column, dtype = pl.col(name), pl.Datetime(_stored(kind), kind.tz)
    bounded = column <= _literal(_ticks(high, dtype.time_unit, up=True), dtype)
    return bounded if low is None else bounded & (column >= _literal(_ticks(low, dtype.time_unit, up=False), dtype))


def _stored(kind: pa.DataType) -> Literal["ms", "us", "ns"]:
    """Parquet has no seconds: they are written as milliseconds."""
    return "ms" if kind.unit == "s" else kind.unit


def _literal(ticks: int, dtype: pl.Datetime) -> pl.Expr:
    return pl.lit(max(min(ticks, -(NEVER + 1)), NEVER + 1), dtype=pl.Int64).cast(dtype)


def _ticks(moment: int, unit: str, *, up: bool) -> int:
    """The last (or first) tick of a unit inside a microsecond's range."""
    if unit == "ns":
        return int(moment) * 1_000 + (999 if up else 0)
    step = 1_000_000 // _PER_SECOND[unit]
    return int(moment) // step if up else -(-int(moment) // step)
