"""Parquet files as a view's rows: which there are, and their columns in the types that packed rows need."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import fs

from ratoon.domain.errors import DataError
from ratoon.features.offline.discovery import discover
from ratoon.features.offline.spec import Source as Place
from ratoon.features.offline.times import as_time, to_micros
from ratoon.features.online.layout import Layout
from ratoon.features.views import ARROW_TYPES

CHUNK_ROWS = 65_536
"""Rows in memory at once."""

_SECOND = 1_000_000


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
    """What the source's path matches now, by name: the same files that joins read.

    Raises:
        DataError: naming the view, if its source's folder cannot be listed.
    """
    place = Place(source.path, (("AWS_ENDPOINT_URL", source.endpoint),))
    try:
        system, found = discover(place)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"source of feature view {source.view!r}",
            expected="a place whose files can be listed",
            found=f"{source.path}: {' '.join(str(error).split())}",
            fix="Correct the source's path, or see that its store is reachable.",
        ) from error
    return [DataFile(info.path, f"{info.size}:{info.mtime_ns}", system) for info in found]


def require_features(source: Source, new: Sequence[DataFile], there: Sequence[DataFile]) -> None:
    """A file older than a feature lacks its column, and its rows have no value of it; but some file must have the column.

    Args:
        new: the files that are to be read.
        there: all of the source's; looked into only for what no new one has.

    Raises:
        DataError: naming view and column.
    """
    missing = {source.column(name) for name, _ in source.layout.fields}
    for file in (*new, *there) if new else ():
        if not missing:
            return
        with _opened(source, file) as parquet:
            missing -= set(parquet.schema_arrow.names)
    if missing and new:
        raise DataError(
            f"feature view {source.view!r}, column {min(missing)!r}",
            expected=f"in at least one file at {source.path}",
            found=f"in none of {len(there)}",
            fix="Write the column, or correct the view's schema or field mapping.",
        )


def rows_in(source: Source, file: DataFile) -> int:
    """How many rows a file has.

    Raises:
        DataError: naming view, file and column, if it is gone, cut short or lacks a key's or a time's column.
    """
    with _opened(source, file) as parquet:
        return int(parquet.metadata.num_rows)


def read(source: Source, file: DataFile) -> Iterator[pa.Table]:
    """A file in chunks: join keys and features under their own names and types, `event_timestamp`, `created_timestamp`.

    The times are timestamp[us, UTC]; one without zone is UTC. Without an arrival column there is no `created_timestamp`. A
    feature whose column the file lacks is missing in all rows.

    Raises:
        DataError: naming view, file and column.
    """
    with _opened(source, file) as parquet:
        wanted = sorted(set(_columns(source).values()) & set(parquet.schema_arrow.names))
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
    features = {name for name, _ in source.layout.fields}
    needed = {column for name, column in _columns(source).items() if name not in features}
    missing = sorted(needed - set(parquet.schema_arrow.names))
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
    types = {name: ARROW_TYPES.get(dtype, pa.binary()) for name, dtype in (*source.keys, *source.layout.fields)}
    columns = {}
    for name, stored in _columns(source).items():
        where = f"feature view {source.view!r}, column {stored!r}, file {file.path}"
        if stored not in batch.schema.names:
            columns[name] = pa.nulls(batch.num_rows, types[name])
        elif name in ("event_timestamp", "created_timestamp"):
            columns[name] = moments(batch.column(stored), where)
        else:
            columns[name] = _declared(batch.column(stored), types[name], where)
    return pa.table(columns)


def _declared(column: pa.Array, of: pa.DataType, where: str) -> pa.Array:
    try:
        return converted(column, of, where)
    except pa.ArrowException as error:
        raise DataError(
            where,
            expected=str(of),
            found=f"{column.type}: {error}",
            fix="Write the column in the type that the view declares.",
        ) from error


def moments(column: pa.Array, where: str) -> pa.Array:
    """Times of any unit, zone or text as timestamp[us, UTC]; without a zone they are UTC, parts of a microsecond are dropped."""
    return as_time(to_micros(pa.chunked_array([column]), where))


def converted(column: pa.Array, of: pa.DataType, where: str) -> pa.Array:
    """A column in the type that a view declares, as Feast takes it.

    A whole number is a time in seconds since 1970, or the nearest number that a float can be; NaN, which pandas writes for a
    missing whole number, is missing then.

    Raises:
        pa.ArrowException: if the values cannot be of that type.
        DataError: naming `where`, if they cannot be times.
    """
    if column.type == of:
        return column
    if pa.types.is_list(of) and (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
        return _lists(column, of, where)
    if pa.types.is_timestamp(of):
        if pa.types.is_integer(column.type):
            return pc.multiply_checked(column.cast(pa.int64()), _SECOND).cast(of)
        return moments(column, where)
    if pa.types.is_floating(column.type) and pa.types.is_integer(of):
        column = pc.if_else(pc.is_nan(column), None, column)
    return pc.cast(column, of, safe=not (pa.types.is_integer(column.type) and pa.types.is_floating(of)))


def _lists(column: pa.Array, of: pa.DataType, where: str) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    return pa.ListArray.from_arrays(ends, converted(column.flatten(), of.value_type, where), mask=column.is_null())
