"""Entity rows made ready for matching: times as integers, keys as small codes, sorted by both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from ratoon.domain.errors import DataError
from ratoon.features.offline.keys import codes_of, meeting, pair
from ratoon.features.offline.times import NEVER, to_micros

Keys = tuple[tuple[str, pl.DataType], ...]
"""Entity columns and the types in which they are compared. Views of the same keys share one sorted table."""


@dataclass(frozen=True)
class Sorted:
    """Entity rows with a key and a time, in (code, time) order.

    Attributes:
        frame: `code` (UInt32), `ts` and `arrival` (int64 microseconds), `place` (the row's number among the caller's).
        wanted: one row per code: the key's columns `k0`, `k1`, ... and `code`.
        earliest, latest: of `ts`; both 0 if there is no row.
    """

    frame: pl.DataFrame
    wanted: pl.DataFrame
    earliest: int
    latest: int


@dataclass(frozen=True)
class Entities:
    """The caller's rows.

    Attributes:
        times, arrivals: int64[n] microseconds, NEVER where missing; `arrivals` is None where arrival does not matter.
    """

    table: pa.Table
    times: np.ndarray
    arrivals: np.ndarray | None

    @classmethod
    def of(cls, table: pa.Table, timestamp: str, arrival: str | None) -> "Entities":
        """Raises: DataError: if a column is missing or holds no times."""
        times = to_micros(_column(table, timestamp), f"entity column {timestamp!r}")
        if arrival is None or arrival == timestamp:
            return cls(table, times, times if arrival else None)
        return cls(table, times, to_micros(_column(table, arrival), f"entity column {arrival!r}"))

    def keys(self, names: Sequence[str], kinds: Sequence[pa.DataType], where: str) -> Keys:
        """What rows are sorted by to meet a view, given its keys as entity columns and as the types of the view's columns.

        Raises:
            DataError: if a column is missing, or its values can never equal the view's.
        """
        columns = [_column(self.table, name, where) for name in names]
        return tuple(
            (name, meeting(column.type, kind, name, where)) for name, column, kind in zip(names, columns, kinds, strict=True)
        )

    def by(self, keys: Keys) -> Sorted:
        """The rows that have all of the keys, and a time."""
        codes, wanted = np.zeros(len(self.times), np.int64), pl.DataFrame({"code": pl.Series([0], dtype=pl.UInt32)})
        for place, (name, dtype) in enumerate(keys):
            found, values = codes_of(self.table.column(name), dtype)
            codes, wanted = pair(codes, wanted, found, values.alias(f"k{place}"))
        usable = np.flatnonzero((codes >= 0) & (self.times != NEVER))
        frame = pl.DataFrame({"code": codes[usable].astype(np.uint32), "ts": self.times[usable], "place": usable})
        if self.arrivals is not None:
            frame = frame.with_columns(arrival=pl.Series(self.arrivals[usable]))
        if frame.is_empty():
            return Sorted(frame, wanted, 0, 0)
        earliest, latest = int(frame["ts"].min()), int(frame["ts"].max())  # type: ignore[arg-type]  # integers
        return Sorted(frame.sort(composite(wanted.height, earliest, latest)), wanted, earliest, latest)


def composite(codes: int, earliest: int, latest: int) -> pl.Expr:
    """(code, ts) as one integer, ordered as the pair is; of 128 bits where 64 do not suffice."""
    span = latest - earliest + 1
    wide = pl.Int64 if codes * span < 2**62 else pl.Int128
    return pl.col("code").cast(wide) * pl.lit(span, dtype=wide) + (pl.col("ts") - earliest).cast(wide)


def _column(table: pa.Table, name: str, where: str = "the join") -> pa.ChunkedArray:
    if name not in table.column_names:
        raise DataError(
            f"entity rows of {where}",
            expected=f"a column {name!r}",
            found=", ".join(table.column_names) or "no column",
            fix="Add the column to the entity rows.",
        )
    return table.column(name)
