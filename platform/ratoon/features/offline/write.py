"""Rows into a source: always a new file beside the old ones, whole or not there at all."""

import functools
import io
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.domain.errors import DataError, UsageError
from ratoon.features.offline import sources
from ratoon.features.offline.spec import Source
from ratoon.features.offline.times import as_time, to_micros

DAY = "day="


def append(source: Source, table: pa.Table, timestamp: str, where: str) -> None:
    """Add rows to a source that is a folder or a glob, by its own layout: under `day=YYYY-MM-DD/` if that is in its path.

    Args:
        table: rows with exactly the columns that the source's files have, in any order.

    Raises:
        UsageError: if the source is one file, which would have to be written anew.
        DataError: naming the columns that differ.
    """
    folder, pattern = _target(source, where)
    table = _fitting(source, table, where)
    name = pattern.replace("*", f"{time.time_ns():020d}")
    if not any(part.startswith(DAY) for part in Path(folder).parts):
        return store(source, f"{folder}/{name}", table)
    days = pc.strftime(as_time(to_micros(table.column(timestamp), f"column {timestamp!r} of {where}")), format="%Y-%m-%d")
    for day in days.unique().to_pylist():
        parts = [f"{DAY}{day}" if part.startswith(DAY) else part for part in Path(folder).parts]
        store(source, f"{Path(*parts)}/{name}", table.filter(pc.equal(days, day)))
    return None


def append_partitioned(source: Source, table: pa.Table, by: list[str]) -> None:
    """Add rows to a folder, under `column=value/` for each of `by`; the files keep these columns, too."""
    name = f"{time.time_ns():020d}.parquet"
    if not by:
        return store(source, f"{source.path}/{name}", table)
    values = table.select(by).group_by(by).aggregate([]).to_pylist()
    for row in values:
        here = [_equal(table.column(column), value) for column, value in row.items()]
        chosen = functools.reduce(pc.and_, here)
        folder = "/".join(f"{column}={value}" for column, value in row.items())
        store(source, f"{source.path}/{folder}/{name}", table.filter(chosen))
    return None


def _equal(column: pa.ChunkedArray, value: object) -> pa.ChunkedArray:
    return pc.is_null(column) if value is None else pc.fill_null(pc.equal(column, value), False)


def store(source: Source, path: str, table: pa.Table) -> None:
    """One Parquet file; a reader sees all of it or nothing."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    if "://" not in source.path:
        durable.write(Path(path), sink.getvalue())
        return
    system, _ = sources.system_of(source)
    # An object appears when its upload completes.
    with system.open_output_stream(path.partition("://")[2] or path) as stream:
        stream.write(sink.getvalue())


def exists(source: Source) -> bool:
    """Whether anything is at a source's path."""
    system, path = sources.system_of(source)
    return bool(system.get_file_info(path).type != pyarrow.fs.FileType.NotFound)


def _target(source: Source, where: str) -> tuple[str, str]:
    """A folder and the pattern of a new file's name in it."""
    path = source.path.rstrip("/")
    head, _, last = path.rpartition("/")
    if "*" in last:
        return head, last
    if "://" not in path and Path(path).is_dir():
        return path, "*.parquet"
    if not last.endswith(".parquet"):
        return path, "*.parquet"
    if not exists(source):
        return head or ".", last
    raise UsageError(
        f"path of {where}",
        expected="a folder or a glob, to which a file can be added",
        found=source.path,
        fix=f"Move the file to a folder of its own and let the source's path be {path.removesuffix('.parquet')}/*.parquet.",
    )


def _fitting(source: Source, table: pa.Table, where: str) -> pa.Table:
    try:
        schema = sources.open_parts(source, where)[-1].schema
    except DataError:
        if sources.found(source):
            raise
        return table
    if sorted(schema.names) != sorted(table.column_names):
        raise DataError(
            f"rows for {where}",
            expected=f"the columns {', '.join(schema.names)}",
            found=", ".join(table.column_names),
            fix="Write all of them, and no other.",
        )
    try:
        return table.select(schema.names).cast(pa.schema([pa.field(one.name, one.type) for one in schema]))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"rows for {where}", expected="values of the columns' types", found=str(error).splitlines()[0], fix="Convert them."
        ) from error
