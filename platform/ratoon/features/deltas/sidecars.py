"""What is remembered of a file's rows when the file is gone: the hash, key and times of each, in a file beside.

A sidecar is named after the content it describes, so that a copied or renamed file has one already. All of them can be
deleted: those of files that are still there are made again, and of the others the caller is told that nothing is known.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.features.deltas.positions import Arrived, gone, unchanged
from ratoon.features.deltas.rowhash import BYTES, row_hashes
from ratoon.features.views import View

HASH = "ratoon_row_hash"
"""The column of `row_hashes`, in sidecars and in deltas."""

PACKED = pa.ipc.IpcWriteOptions(compression="lz4")

LEAST_BYTES = 256 << 20
"""Sidecars of vanished files may use this much, or as much as those of the present files if that is more."""


@dataclass(frozen=True, slots=True)
class Read:
    """One file's rows: the view's columns, typed as it declares them, followed by HASH.

    Attributes:
        bytes_read: of the columns that were read.
    """

    rows: pa.Table
    bytes_read: int
    row_groups: int


def read(view: View, file: Arrived) -> Read:
    """The rows of a file.

    Raises:
        DataError: naming view and file, when it is cut short, has vanished, changes while it is read, or lacks a column;
            naming the column as well, when its values cannot be what the view declares.
    """
    wanted = _types(view)
    try:
        with file.path.open("rb") as handle, pq.ParquetFile(handle) as parquet:
            missing = [name for name in wanted if name not in parquet.schema_arrow.names]
            if missing:
                raise _unusable(view, file, f"the columns {', '.join(wanted)}", f"no {', '.join(missing)}", "Write them.")
            table, about = parquet.read(columns=list(wanted)), parquet.metadata
    except FileNotFoundError as error:
        raise gone(view, file.path, repr(error)) from error
    except (pa.ArrowException, OSError) as error:
        fix = "It was cut short or is no Parquet: write it again, or take it away. The position has not been moved."
        raise _unusable(view, file, "a whole Parquet file", str(error).splitlines()[0], fix) from error
    unchanged(view, file)
    table = pa.table({name: _cast(view, file, table.column(name), name, of) for name, of in wanted.items()})
    groups = [about.row_group(number) for number in range(about.num_row_groups)]
    chunks = [group.column(at) for group in groups for at in range(about.num_columns)]
    cost = sum(chunk.total_compressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in wanted)
    return Read(table.append_column(HASH, row_hashes(table)), cost, len(groups))


def no_rows(view: View) -> pa.Table:
    """`Read.rows` of a file without any."""
    types = {**_types(view), HASH: pa.binary(BYTES)}
    return pa.table({name: pa.array([], of) for name, of in types.items()})


def _types(view: View) -> dict[str, pa.DataType]:
    types = {view.key: pa.string(), **{field.name: field.arrow for field in view.fields}, view.timestamp_field: TIME}
    return types | ({view.created_timestamp_field: TIME} if view.created_timestamp_field else {})


def _cast(view: View, file: Arrived, column: pa.ChunkedArray, name: str, of: pa.DataType) -> pa.ChunkedArray:
    try:
        return pc.cast(column, of, safe=False)
    except pa.ArrowException as error:
        fix = "Write the column as the view declares it, or correct the dtype in feature_repo/."
        raise _unusable(view, file, f"{of} in column {name!r}", f"{column.type}: {error}", fix) from error


def _unusable(view: View, file: Arrived, expected: str, found: str, fix: str) -> DataError:
    return DataError(f"view {view.name!r}, file {file.path}", expected=expected, found=found, fix=fix)


class Sidecars:
    """The sidecars of one view as it is defined now: other columns are other rows.

    Args:
        state: where all views' state lies.
    """

    def __init__(self, view: View, state: Path) -> None:
        self._view, self._root = view, state / view.name
        stamps = f"{view.timestamp_field} {view.created_timestamp_field}"
        self._folder = self._root / f"rows-{durable.sha256(f'{view.edition} {stamps}'.encode())[:16]}"

    def __contains__(self, digest: str) -> bool:
        """Whether the rows of a content are known."""
        return self._path(digest).exists()

    def write(self, digest: str, rows: pa.Table) -> None:
        """Remember the rows (`Read.rows`) of a content."""
        # Arrow's own format: hashes do not compress, and writing Parquet took longer than hashing the rows.
        columns, sink = rows.select(self._columns).combine_chunks(), pa.BufferOutputStream()
        with pa.ipc.new_file(sink, columns.schema, options=PACKED) as writer:
            writer.write_table(columns)
        durable.write(self._path(digest), sink.getvalue().to_pybytes())

    def load(self, digest: str) -> pa.Table | None:
        """HASH, key and times of each row of a content; None if nothing is known of it."""
        path = self._path(digest)
        try:
            with pa.ipc.open_file(path) as reader:
                table = reader.read_all()
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError):
            # Derived, and damaged: as good as not there, which the caller is told.
            path.unlink(missing_ok=True)
            return None
        os.utime(path)
        return table

    def size(self, digest: str) -> int:
        """The bytes of a sidecar; 0 if there is none."""
        path = self._path(digest)
        return path.stat().st_size if path.exists() else 0

    def empty(self) -> pa.Table:
        """A sidecar without rows."""
        return no_rows(self._view).select(self._columns)

    def collect(self, kept: Iterable[str]) -> None:
        """Delete what has not been used for longest, once all of it takes more room than the sidecars `kept`."""
        present = set(kept)
        room = max(LEAST_BYTES, sum(self.size(digest) for digest in present))
        sizes = {path: path.stat() for path in self._root.glob("rows-*/*.arrow")}
        for path in sorted(sizes, key=lambda path: sizes[path].st_mtime_ns, reverse=True):
            if path.parent == self._folder and path.stem in present:
                continue
            room -= sizes[path].st_size
            if room < 0:
                path.unlink(missing_ok=True)

    @property
    def _columns(self) -> list[str]:
        stamps = [self._view.timestamp_field, self._view.created_timestamp_field]
        return [HASH, self._view.key, *(name for name in stamps if name)]

    def _path(self, digest: str) -> Path:
        return self._folder / f"{digest}.arrow"
