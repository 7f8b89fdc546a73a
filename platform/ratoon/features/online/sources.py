"""Parquet files as a view's rows: which there are, and their columns in the types that packed rows need."""

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.features.online.layout import Layout
from ratoon.features.views import ARROW_TYPES

CHUNK_ROWS = 65_536
"""Rows in memory at once."""

_SUFFIX = ".parquet"


@dataclass(frozen=True)
class Source:
    """Where a view's rows lie, and what its columns are called there.

    Attributes:
        keys: (join key, Feast's value type name); none for a view about no entity.
        path: a file, a folder or a glob, absolute; or a URI of one.
        timestamp, created: columns of the files; `created` may be empty.
        names: feature or join key -> its column in the files, where that differs.
        endpoint: of an S3 service that is not Amazon's.
    """

    view: str
    layout: Layout
    keys: tuple[tuple[str, str], ...]
    path: str
    timestamp: str
    created: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    endpoint: str = ""

    def column(self, name: str) -> str:
        """What a feature or join key is called in the files."""
        return self.names.get(name, name)


@dataclass(frozen=True)
class DataFile:
    """One file of a source; `stamp` changes when its content does."""

    path: str
    stamp: str
    system: fs.FileSystem


def files(source: Source) -> list[DataFile]:
    """What the source's path matches now, by name."""
    if "://" not in source.path:
        return [_local(path) for path in _paths(source.path)]
    system, path = _system(source)
    found = system.get_file_info(path) if not glob.has_magic(path) else None
    if found is not None and found.type == fs.FileType.File:
        return [_remote(found, system)]
    folder = path if found is not None else path[: min(path.find(sign) for sign in "*?[" if sign in path)].rpartition("/")[0]
    pattern = f"{path}/*{_SUFFIX}" if found is not None else path
    within = system.get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
    matching = [info for info in within if info.type == fs.FileType.File and fnmatch(info.path, pattern)]
    return [_remote(info, system) for info in sorted(matching, key=lambda info: info.path)]


def _paths(path: str) -> list[Path]:
    if glob.has_magic(path):
        whole = Path(path)
        return sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor))))
    one = Path(path)
    return sorted(one.rglob(f"*{_SUFFIX}")) if one.is_dir() else [one] if one.exists() else []


def _local(path: Path) -> DataFile:
    status = path.stat()
    return DataFile(str(path), f"{status.st_size}:{status.st_mtime_ns}", fs.LocalFileSystem())


def _remote(info: fs.FileInfo, system: fs.FileSystem) -> DataFile:
    return DataFile(info.path, f"{info.size}:{info.mtime_ns}", system)


def _system(source: Source) -> tuple[fs.FileSystem, str]:
    if source.endpoint and source.path.startswith("s3://"):
        return fs.S3FileSystem(endpoint_override=source.endpoint), source.path.removeprefix("s3://")
    plain = source.path
    if glob.has_magic(plain):  # a pattern is no URI; its beginning is
        scheme, _, path = plain.partition("://")
        system, _ = fs.FileSystem.from_uri(f"{scheme}://{path.partition('/')[0]}/")
        return system, path if scheme != "file" else f"/{path.lstrip('/')}"
    system, path = fs.FileSystem.from_uri(plain)
    return system, path


def rows_in(source: Source, file: DataFile) -> int:
    """How many rows a file has.

    Raises:
        DataError: naming view, file and column, if it is gone, cut short or lacks a column.
    """
    with _opened(source, file) as parquet:
        return int(parquet.metadata.num_rows)


def read(source: Source, file: DataFile) -> Iterator[pa.Table]:
    """A file in chunks: join keys and features under their own names and types, `event_timestamp`, `created_timestamp`.

    The times are timestamp[us, UTC]; one without zone is UTC. Without an arrival column there is no `created_timestamp`.

    Raises:
        DataError: naming view, file and column.
    """
    with _opened(source, file) as parquet:
        wanted = sorted(set(_columns(source).values()))
        try:
            for batch in parquet.iter_batches(CHUNK_ROWS, columns=wanted):
                yield _typed(source, file, batch)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(source, file, error) from error


def _columns(source: Source) -> dict[str, str]:
    names = [name for name, _ in (*source.keys, *source.layout.fields)]
    times = {"event_timestamp": source.timestamp} | ({"created_timestamp": source.created} if source.created else {})
    return {name: source.column(name) for name in names} | times


def _opened(source: Source, file: DataFile) -> pq.ParquetFile:
    try:
        parquet = pq.ParquetFile(file.path, filesystem=file.system)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(source, file, error) from error
    missing = sorted(set(_columns(source).values()) - set(parquet.schema_arrow.names))
    if missing:
        parquet.close()
        raise DataError(
            f"feature view {source.view!r}, file {file.path}",
            expected=f"the column {missing[0]!r}",
            found=", ".join(parquet.schema_arrow.names),
            fix="Write the column, or correct the view's schema or field mapping.",
        )
    return parquet


def _unreadable(source: Source, file: DataFile, error: Exception) -> DataError:
    return DataError(
        f"feature view {source.view!r}, file {file.path}",
        expected="a whole Parquet file",
        found=" ".join(str(error).split()),
        fix="Write the file again, or take it away; nothing of it was made visible, and the next run goes on here.",
    )


def _typed(source: Source, file: DataFile, batch: pa.RecordBatch) -> pa.Table:
    types = {"event_timestamp": TIME, "created_timestamp": TIME}
    types |= {name: ARROW_TYPES.get(dtype, pa.binary()) for name, dtype in (*source.keys, *source.layout.fields)}
    columns = {}
    for name, stored in _columns(source).items():
        column = batch.column(stored)
        try:
            columns[name] = converted(column, types[name])
        except pa.ArrowException as error:
            raise DataError(
                f"feature view {source.view!r}, column {stored!r}, file {file.path}",
                expected=str(types[name]),
                found=f"{column.type}: {error}",
                fix="Write the column in the type that the view declares.",
            ) from error
    return pa.table(columns)


def moments(column: pa.Array) -> pa.Array:
    """Times of any unit, zone or text as timestamp[us, UTC]; without a zone they are UTC, parts of a microsecond are dropped."""
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        zoned = pc.match_substring_regex(column, r"(Z|[+-]\d\d:?\d\d)$")
        return column.cast(TIME if pc.all(zoned, min_count=0).as_py() else pa.timestamp("us")).cast(TIME)
    if pa.types.is_date(column.type):
        return column.cast(pa.timestamp("us")).cast(TIME)
    if not pa.types.is_timestamp(column.type):
        raise pa.ArrowInvalid("not a time")
    return pc.cast(column, TIME, safe=False)


def converted(column: pa.Array, of: pa.DataType) -> pa.Array:
    """A column in the type that a view declares; NaN, which pandas writes for a missing whole number, is missing then."""
    if column.type == of:
        return column
    if pa.types.is_timestamp(of):
        return moments(column)
    if pa.types.is_floating(column.type) and pa.types.is_integer(of):
        column = pc.if_else(pc.is_nan(column), None, column)
    return pc.cast(column, of)
