"""The part of a view that decides which row is joined: keys as codes, times, row numbers. Features are read later."""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from ratoon.domain.errors import DataError
from ratoon.features.offline import sources
from ratoon.features.offline.entities import Sorted
from ratoon.features.offline.keys import comparable, met, plain
from ratoon.features.offline.sources import Part
from ratoon.features.offline.spec import ViewSide
from ratoon.features.offline.times import scanned, within


def read_index(side: ViewSide, parts: Sequence[Part], rows: Sorted, *, known: bool) -> pl.DataFrame:
    """Rows of a view that some entity row may meet, in any order.

    Args:
        parts: numbered, of this side's source, with a row in the times that matter.
        known: leave out rows without a created timestamp, of which nobody can say that they had arrived.

    Returns:
        `code` (UInt32), `ts` and, if the side has it, `created` (int64 microseconds), `rid` (the row's number).
    """
    low = rows.earliest - side.ttl_us if side.ttl_us else None
    columns = [column for column in (*(key for key, _ in side.keys), side.timestamp, side.created) if column]
    frames = [_wanted(side, run, rows, low) for run in sources.groups(parts, columns)]
    lazy = pl.concat(frames) if frames else pl.LazyFrame(schema=_SCHEMA | ({"created": pl.Int64} if side.created else {}))
    if known and side.created:
        lazy = lazy.filter(pl.col("created").is_not_null())
    return sources.collect(lazy, parts, side.source, side.where)


_SCHEMA = {"code": pl.UInt32, "ts": pl.Int64, "rid": pl.UInt32}


def _wanted(side: ViewSide, run: Sequence[Part], rows: Sorted, low: int | None) -> pl.LazyFrame:
    schema = run[0].schema
    for column in filter(None, (*(key for key, _ in side.keys), side.timestamp, side.created)):
        require(column, run[0], side)
    lazy, kind = sources.scan(run, side.source), schema.field(side.timestamp).type
    bounded = within(side.timestamp, kind, low, rows.latest)
    lazy = lazy if bounded is None else lazy.filter(bounded)
    keys = [f"k{place}" for place in range(len(side.keys))]
    read = [
        met(column, schema.field(column).type, rows.wanted.schema[name]).alias(name)
        for name, (column, _) in zip(keys, side.keys, strict=True)
    ]
    read.append(scanned(side.timestamp, kind, f"column {side.timestamp!r} of {side.where}").alias("ts"))
    if side.created:
        where = f"column {side.created!r} of {side.where}"
        read.append(scanned(side.created, schema.field(side.created).type, where).alias("created"))
    lazy = lazy.select(*read, pl.col(sources.RID).alias("rid")).filter(pl.col("ts") <= rows.latest)
    lazy = lazy if low is None else lazy.filter(pl.col("ts") >= low)
    if keys:
        lazy = lazy.join(rows.wanted.lazy(), on=keys, how="inner", maintain_order="none")
    else:
        lazy = lazy.with_columns(code=pl.lit(0, dtype=pl.UInt32))
    return lazy.select("code", "ts", *(["created"] if side.created else []), "rid")


def require(column: str, part: Part, side: ViewSide) -> None:
    """Raises: DataError: naming view, column and file, if a file lacks a column."""
    if column not in part.schema.names:
        raise DataError(
            f"column {column!r} of {side.where}",
            expected=f"it in {part.path}",
            found=", ".join(part.schema.names),
            fix="Write the file with that column, or correct the view's definition.",
        )


def key_types(side: ViewSide, parts: Sequence[Part]) -> list[pa.DataType]:
    """The types of a view's key columns: those of its first file that says anything.

    Raises:
        DataError: naming view, column and file, if a file lacks a key, or has it in another kind of type than the first.
    """
    found = []
    for column, _ in side.keys:
        for part in parts:
            require(column, part, side)
        stated = [part for part in parts if not pa.types.is_null(part.schema.field(column).type)] or parts
        first, kind = stated[0], stated[0].schema.field(column).type
        for part in stated:
            if not comparable(kind, other := part.schema.field(column).type):
                raise DataError(
                    f"join key {column!r} of {side.where}",
                    expected=f"{kind}, as in {first.path}",
                    found=f"{other} in {part.path}",
                    fix="Write one of the files again.",
                )
        found.append(kind)
    return found


def read_times(side: ViewSide, parts: Sequence[Part], low: int, high: int) -> pl.DataFrame:
    """Each key and time of a view's rows in low..high: the entity columns it is joined by, `event_timestamp` as int64.

    Args:
        parts: all of the view's.
    """
    names, kinds = [name for _, name in side.keys], key_types(side, parts)
    columns = [*(key for key, _ in side.keys), side.timestamp]
    needed = sources.between(parts, side.timestamp, low, high)
    frames = []
    for run in sources.groups(needed, columns):
        kind = run[0].schema.field(side.timestamp).type
        moment = scanned(side.timestamp, kind, f"column {side.timestamp!r} of {side.where}").alias("event_timestamp")
        keys = [pl.col(column).alias(name) for column, name in side.keys]
        frames.append(sources.scan(run, side.source).select(*keys, moment))
    if not frames:
        none = [pl.Series(name, pl.from_arrow(pa.array([], plain(kind)))) for name, kind in zip(names, kinds, strict=True)]
        return pl.DataFrame([*none, pl.Series("event_timestamp", [], pl.Int64)])
    lazy = pl.concat(frames, how="vertical_relaxed").filter(pl.col("event_timestamp").is_between(low, high)).unique()
    return sources.collect(lazy, needed, side.source, side.where)
