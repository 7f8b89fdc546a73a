"""One file of training examples: how its rows lie, so that a few of many are read without the rest.

A file holds the interactions of a range of log offsets, and its name says which. Rows of the same part of the data
(`Split`) lie together: train rows in the order of their places on the replay circle, the others by offset. A sample of the
train rows is then a few neighbouring row groups, and the newest rows of another part are its last ones.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.domain.delta import Split, part
from ratoon.domain.replay import Ints, places

GROUP = 1_024
"""Rows of a row group: the fewest that can be read."""

Rows = npt.NDArray[np.intp]
"""Positions."""

_COUNTS = b"ratoon.row_groups"
"""The key in a file's metadata that says how many row groups each part of the data has."""


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """One file; its rows have offsets in (first, last]."""

    path: Path
    first: int
    last: int

    @classmethod
    def at(cls, path: Path) -> "ExampleFile":
        """The file at `path`, as its name describes it."""
        first, _, last = path.stem.partition("-")
        return cls(path, int(first), int(last))

    def __len__(self) -> int:
        """The number of its rows."""
        return int(pq.read_metadata(self.path).num_rows)

    def whole(self) -> pa.Table:
        """All its rows, in no order to rely on."""
        with pq.ParquetFile(self.path) as file:
            return file.read()

    def ints_of(self, split: Split, *columns: str) -> list[Ints]:
        """Some columns of integers or times of a part's rows, times in microseconds since 1970 UTC; nothing else is read."""
        with pq.ParquetFile(self.path) as file:
            table = file.read_row_groups(list(_groups(file, split)), list(columns))
        return [ints(table, name) for name in columns]

    def rows_of(self, split: Split, rows: Rows) -> pa.Table:
        """A part's rows at these positions among its rows, in that order; only their row groups are read."""
        with pq.ParquetFile(self.path) as file:
            held = list(_groups(file, split))
            sizes = np.array([file.metadata.row_group(group).num_rows for group in held], np.int64)
            ends = np.cumsum(sizes)
            groups = np.searchsorted(ends, rows, side="right")
            wanted, nth = np.unique(groups, return_inverse=True)
            table = file.read_row_groups([held[group] for group in wanted])
        starts = np.cumsum(sizes[wanted]) - sizes[wanted]
        return table.take(rows - (ends - sizes)[groups] + starts[nth])

    def newest(self, split: Split) -> Iterator[pa.Table]:
        """The rows of a part other than train: by offset within a table, the table of the newest first."""
        with pq.ParquetFile(self.path) as file:
            for group in reversed(_groups(file, split)):
                yield file.read_row_group(group)


def write(path: Path, table: pa.Table) -> None:
    """Replace the file at `path` by these examples, in whatever order they are, or leave it as it is."""
    counts = {}
    with durable.writing(path) as sink, pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        for split in get_args(Split):
            rows = part(table, split)
            offsets = ints(rows, "offset")
            if rows.num_rows:
                order = np.argsort(places(offsets) if split == "train" else offsets)
                writer.write_table(rows.take(order), row_group_size=GROUP)
            counts[split] = -(-rows.num_rows // GROUP)
        writer.add_key_value_metadata({_COUNTS: json.dumps(counts)})


def ints(table: pa.Table, column: str) -> Ints:
    """A column of integers or times as integers; shape (rows,)."""
    values: Ints = pc.cast(table.column(column), pa.int64()).to_numpy()
    return values


def _groups(file: pq.ParquetFile, split: Split) -> range:
    """The row groups that hold a part of the data."""
    counts = json.loads(file.metadata.metadata[_COUNTS])
    begin = sum(counts[earlier] for earlier in get_args(Split)[: get_args(Split).index(split)])
    return range(begin, begin + counts[split])
