"""The Parquet files behind a view: found, their footers read, those that cannot matter left out.

A file is left out by the times in its footer, whatever its folder is called: `day=2024-05-01/` may mean the day of the
event or the day of its arrival, and rows lost to a guess are lost in silence.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from ratoon.domain.errors import DataError, StoreError
from ratoon.features.offline.discovery import discover
from ratoon.features.offline.spec import Source

RID = "ratoon.rid"
"""The column of row numbers in a scan; no source has one of that name."""


@dataclass(frozen=True)
class Part:
    """One file: its path or URI, its footer, and the number of its first row among all rows of the parts opened with it."""

    path: str
    footer: Any
    schema: pa.Schema
    first: int = 0

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return int(self.footer.num_rows)

    def times(self, column: str) -> tuple[int, int] | None:
        """The least and the greatest microsecond in a timestamp column, if every row group's statistics say so."""
        leaves = {self.footer.schema.column(place).path: place for place in range(self.footer.num_columns)}
        if column not in leaves or not pa.types.is_timestamp(kind := self.schema.field(column).type):
            return None
        groups = (self.footer.row_group(group) for group in range(self.footer.num_row_groups))
        stated = [group.column(leaves[column]).statistics for group in groups]
        if not stated or not all(one is not None and one.has_min_max and isinstance(one.min_raw, int) for one in stated):
            return None
        scale = {"s": (1_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}[kind.unit]
        least, most = min(one.min_raw for one in stated), max(one.max_raw for one in stated)
        return least * scale[0] // scale[1], most * scale[0] // scale[1]

    def bytes_per_row(self, columns: Sequence[str]) -> float:
        """How much some columns take in memory, by the first row group; at least 8 bytes each, whatever they are encoded in."""
        least = 8.0 * len(columns)
        if not self.rows:
            return least
        first = self.footer.row_group(0)
        chunks = [first.column(place) for place in range(first.num_columns)]
        size: int = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)
        rows: int = first.num_rows
        return max(size / max(rows, 1), least)


def open_parts(source: Source, where: str) -> list[Part]:
    """The footers of a source's files, in the order of their paths.

    Raises:
        DataError: naming `where` and the file, if there is none or one is no whole Parquet file.
    """
    system, paths = _find(source, where)
    parts, first = [], 0
    for path in paths:
        part = _open(system, path, where)
        parts.append(Part(_uri(source, path), part.footer, part.schema, first))
        first += parts[-1].rows
    return parts


def numbered(parts: Sequence[Part]) -> list[Part]:
    """The same parts with their rows counted from 0 again."""
    fresh: list[Part] = []
    for part in parts:
        fresh.append(Part(part.path, part.footer, part.schema, fresh[-1].first + fresh[-1].rows if fresh else 0))
    return fresh


def between(parts: Sequence[Part], timestamp: str, low: int | None, high: int) -> list[Part]:
    """Those with a row that may lie in low..high (microseconds, inclusive), numbered."""
    kept = []
    for part in parts:
        times = part.times(timestamp)
        if part.rows and (times is None or (times[0] <= high and (low is None or times[1] >= low))):
            kept.append(part)
    return numbered(kept)


def scan(parts: Sequence[Part], source: Source) -> pl.LazyFrame:
    """A lazy read of neighbouring parts, with their rows' numbers in the column RID."""
    options = dict(source.storage) if "://" in source.path else None
    return pl.scan_parquet(
        [part.path for part in parts],
        glob=False,
        hive_partitioning=False,
        row_index_name=RID,
        row_index_offset=parts[0].first,
        storage_options=options,
        extra_columns="ignore",
        missing_columns="insert",
    )


def collect(frame: pl.LazyFrame, parts: Sequence[Part], source: Source, where: str) -> pl.DataFrame:
    """The rows of a lazy read over some parts.

    Raises:
        StoreError: naming the file that could not be read.
        DataError: if all can, and what they hold cannot be used.
    """
    try:
        return frame.collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        for part in parts:
            try:
                scan([part], source).collect(engine="streaming")
            except (pl.exceptions.PolarsError, OSError) as broken:
                raise _unreadable(part.path, where, broken) from broken
        raise DataError(
            f"rows of {where}",
            expected="values that can be used as declared",
            found=str(error).strip().splitlines()[0],
            fix=f"Correct the files at {source.path}, or the view's definition.",
        ) from error


def _unreadable(path: str, where: str, error: Exception) -> StoreError:
    return StoreError(
        f"file {path} of {where}",
        expected="a readable Parquet file",
        found=str(error).strip().splitlines()[0],
        fix="Write the file again, or take it out of the folder.",
    )


def found(source: Source) -> list[str]:
    """The paths of a source's files, sorted."""
    return [str(info.path) for info in discover(source)[1]]


def _find(source: Source, where: str) -> tuple[FileSystem, list[str]]:
    try:
        system, files = discover(source)
    except OSError as error:
        raise _unreadable(source.path, where, error) from error
    if not files:
        raise DataError(
            f"source of {where}",
            expected="at least one Parquet file",
            found=f"none at {source.path}",
            fix="Write the table first, or correct the source's path.",
        )
    return system, [str(info.path) for info in files]


def _uri(source: Source, path: str) -> str:
    return f"{source.path.partition('://')[0]}://{path}" if "://" in source.path else path


def _open(system: Any, path: str, where: str) -> Part:
    try:
        with system.open_input_file(path) as file:
            footer = pq.read_metadata(file)
        return Part(path, footer, footer.schema.to_arrow_schema())
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            f"file {path} of {where}",
            expected="a whole Parquet file",
            found=str(error).strip().splitlines()[0],
            fix="Write the file again, or take it out of the folder.",
        ) from error


def groups(parts: Sequence[Part], columns: Sequence[str]) -> Iterator[list[Part]]:
    """Runs of neighbouring parts in which some columns have the same types."""
    run: list[Part] = []
    for part in parts:
        if run and _types(run[-1], columns) != _types(part, columns):
            yield run
            run = []
        run.append(part)
    if run:
        yield run


def _types(part: Part, columns: Sequence[str]) -> list[pa.DataType | None]:
    return [part.schema.field(name).type if name in part.schema.names else None for name in columns]
