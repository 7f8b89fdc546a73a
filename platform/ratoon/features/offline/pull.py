"""A source's rows of some time, all of them or the newest per key: what materialisation reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from ratoon.features.offline import sources
from ratoon.features.offline.gather import gather, lacking, settle, types
from ratoon.features.offline.index import require
from ratoon.features.offline.sources import Part
from ratoon.features.offline.spec import Source, ViewSide
from ratoon.features.offline.times import LATEST, as_time, scanned, to_micros, within

TS, CREATED = "ratoon.ts", "ratoon.created"

ROWS = 1_000_000
"""Rows of a streamed batch, at most."""


@dataclass(frozen=True)
class Pull:
    """Which rows and columns.

    Attributes:
        start, end: microseconds, both inclusive; None for open.
    """

    source: Source
    keys: tuple[str, ...]
    features: tuple[str, ...]
    timestamp: str
    created: str = ""
    start: int | None = None
    end: int | None = None

    @property
    def stamps(self) -> tuple[str, ...]:
        """The time columns."""
        return (self.timestamp, self.created) if self.created else (self.timestamp,)

    @property
    def side(self) -> ViewSide:
        """The same as a side of a join, whose features are all its columns."""
        columns = dict.fromkeys([*self.keys, *self.features, *self.stamps])
        features = tuple((name, name) for name in columns)
        return ViewSide(self.source.path, self.source, self.timestamp, (), features, self.created, kind="data source")


def latest(pull: Pull) -> pa.Table:
    """The newest row of each key: by time, created timestamp, place in the files. In the order of the files."""
    side, parts = _opened(pull)
    kinds, keys = types(side, parts), [f"k{place}" for place in range(len(pull.keys))]
    needed = _needed(pull, parts)
    columns = [pl.col(name).alias(key) for name, key in zip(pull.keys, keys, strict=True)]
    rids = np.array([], np.int64)
    if needed:
        found = sources.collect(_rows(pull, side, needed, kinds, columns), needed, pull.source, side.where)
        found = found.sort(TS, *([CREATED] if pull.created else []), sources.RID)
        newest = found.unique(keys, keep="last") if keys else found.tail(1)
        rids = np.sort(newest[sources.RID].to_numpy().astype(np.int64))
    arrays = gather(side, needed, kinds, rids)
    return _timed(pa.table(dict(zip(kinds, arrays, strict=True))), pull)


def everything(pull: Pull) -> pa.Table:
    """All rows, in the order of the files."""
    side, parts = _opened(pull)
    kinds, needed = types(side, parts), _needed(pull, parts)
    if not needed:
        return _timed(pa.schema(list(kinds.items())).empty_table(), pull)
    found = sources.collect(_whole(pull, side, needed, kinds), needed, pull.source, side.where)
    return _timed(pa.table({name: settle(found[name], kind) for name, kind in kinds.items()}), pull)


def stream(pull: Pull, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
    """`everything` in batches; none if there is no row."""
    side, parts = _opened(pull)
    kinds, needed = types(side, parts), _needed(pull, parts)
    if not needed:
        return
    for found in _whole(pull, side, needed, kinds).collect_batches(chunk_size=rows, maintain_order=True):
        table = pa.table({name: settle(found[name], kind) for name, kind in kinds.items()})
        yield from _timed(table, pull).combine_chunks().to_batches()


def _opened(pull: Pull) -> tuple[ViewSide, list[Part]]:
    side = pull.side
    parts = sources.open_parts(pull.source, side.where)
    for part in parts:
        for column in (*pull.keys, *pull.stamps):
            require(column, part, side)
    return side, parts


def _needed(pull: Pull, parts: Sequence[Part]) -> list[Part]:
    return sources.between(parts, pull.timestamp, pull.start, LATEST if pull.end is None else pull.end)


def _whole(pull: Pull, side: ViewSide, parts: Sequence[Part], kinds: dict[str, pa.DataType]) -> pl.LazyFrame:
    return _rows(pull, side, parts, kinds, [pl.col(name) for name in kinds]).select(list(kinds))


def _rows(
    pull: Pull, side: ViewSide, parts: Sequence[Part], kinds: dict[str, pa.DataType], columns: Sequence[pl.Expr]
) -> pl.LazyFrame:
    """Some columns of the rows in the time asked for, with TS, CREATED and RID."""
    low, high = pull.start, LATEST if pull.end is None else pull.end
    names = [*pull.keys, *pull.features, *pull.stamps]
    frames = []
    for run in sources.groups(parts, names):
        schema, lazy = run[0].schema, sources.scan(run, pull.source)
        bounded = within(pull.timestamp, schema.field(pull.timestamp).type, low, high)
        lazy = lazy if bounded is None else lazy.filter(bounded)
        stamps = [
            scanned(name, schema.field(name).type, f"column {name!r} of {side.where}").alias(alias)
            for name, alias in zip(pull.stamps, (TS, CREATED), strict=False)
        ]
        missing = [lacking(name, kinds[name]) for name in pull.features if name not in schema.names]
        lazy = lazy.with_columns(*missing).select(*columns, *stamps, sources.RID).filter(pl.col(TS) <= high)
        frames.append(lazy if low is None else lazy.filter(pl.col(TS) >= low))
    return pl.concat(frames, how="vertical_relaxed")


def _timed(table: pa.Table, pull: Pull) -> pa.Table:
    """Time columns as microseconds UTC, whatever the files have."""
    for name in pull.stamps:
        place = table.column_names.index(name)
        table = table.set_column(place, name, as_time(to_micros(table.column(name), f"column {name!r} of {pull.source.path}")))
    return table
