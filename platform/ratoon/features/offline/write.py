"""Rows into a source: always a new file beside the old ones, whole or not there at all."""

import functools
import glob
import io
import time
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow.fs import FileType, LocalFileSystem

from ratoon import durable
from ratoon.domain.errors import DataError, UsageError
from ratoon.features.offline import sources
from ratoon.features.offline.discovery import system_of
from ratoon.features.offline.spec import Source
from ratoon.features.offline.times import as_time, to_micros


def append(source: Source, table: pa.Table, timestamp: str, where: str) -> None:
    """Add rows to a source that is a folder or a glob, by its own layout: under `day=YYYY-MM-DD/` if that is in its path.

    Args:
        table: rows with exactly the columns that the source's files have, in any order.

    Raises:
        UsageError: if the source is one file, which would have to be written anew, or a glob that does not say where a
            new file belongs.
        DataError: naming the columns that differ, or the one that lacks the times that days are told by.
    """
    folder, name = _target(source, where)
    table = _fitting(source, table, where)
    if "day=*" not in folder.split("/"):
        return store(source, f"{folder}/{name}", table)
    days = pc.strftime(as_time(to_micros(table.column(timestamp), f"column {timestamp!r} of {where}")), format="%Y-%m-%d")
    if days.null_count:
        raise DataError(
            f"column {timestamp!r} of {where}",
            expected="a time in every row, since files lie by day",
            found=f"{days.null_count} rows without",
            fix="Write the rows without a time to another source, or leave them out.",
        )
    for day in days.unique().to_pylist():
        parts = [f"day={day}" if part == "day=*" else part for part in folder.split("/")]
        store(source, f"{'/'.join(parts)}/{name}", table.filter(pc.equal(days, day)))
    return None


def stored(table: pa.Table, mapping: Mapping[str, str]) -> pa.Table:
    """Rows under the names that a source's files have: Feast hands them over renamed by the source's field mapping."""
    old = {new: name for name, new in mapping.items() if name not in table.column_names or name in mapping.values()}
    return table.rename_columns([old.get(name, name) for name in table.column_names])


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
    system, _ = system_of(source)
    path = path.partition("://")[2] or path
    if isinstance(system, LocalFileSystem):
        durable.write(Path(path), sink.getvalue())
        return
    # An object appears when its upload completes.
    with system.open_output_stream(path) as stream:
        stream.write(sink.getvalue())


def exists(source: Source) -> bool:
    """Whether anything is at a source's path."""
    return bool(_kind(source) != FileType.NotFound)


def _kind(source: Source) -> FileType:
    system, path = system_of(source)
    return system.get_file_info(path).type


def _target(source: Source, where: str) -> tuple[str, str]:
    """A folder, `day=*` parts included, and the name of a new file in it."""
    path = source.path.rstrip("/")
    head, _, last = path.rpartition("/")
    kind, new = _kind(source), f"{time.time_ns():020d}"
    if kind == FileType.File:
        raise UsageError(
            f"path of {where}",
            expected="a folder or a glob, to which a file can be added",
            found=source.path,
            fix=f"Move the file to a folder of its own and let the source's path be {path.removesuffix('.parquet')}/*.parquet.",
        )
    if kind == FileType.NotFound and glob.has_magic(path):
        return _free(head, where, source.path), _named(last, new, where, source.path)
    if kind == FileType.NotFound and last.endswith(".parquet"):
        return head or ".", last
    return path, f"{new}.parquet"


def _free(folder: str, where: str, path: str) -> str:
    if any(glob.has_magic(part) and part != "day=*" for part in folder.split("/")):
        raise UsageError(
            f"path of {where}",
            expected="a glob without wildcards in its folders, but for day=*, to tell where new rows belong",
            found=path,
            fix="Let the source's path be the folder above the first wildcard: all Parquet files below it are read.",
        )
    return folder or "."


def _named(pattern: str, new: str, where: str, path: str) -> str:
    name = pattern.replace("*", new, 1).replace("*", "")
    if "*" not in pattern or "**" in pattern or glob.has_magic(name) or not fnmatchcase(name, pattern):
        raise UsageError(
            f"path of {where}",
            expected="a file name with a * for what tells a new file from the others, and no other wildcard",
            found=path,
            fix="Let the source's path end in a name such as part-*.parquet.",
        )
    return name


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
