"""Examples that were never joined, and damage that shows what was read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.domain.event import TIME
from tests.fakes.events import START
from tests.features.worlds import micros

SECOND = 1_000_000


def rows(count: int, *, first: int = 1, users: int = 400) -> pa.Table:
    """Examples a minute apart at every other offset from `first` on, each of a user drawn at random."""
    offsets = first + 2 * np.arange(count)
    rng = np.random.default_rng(first)
    return pa.table(
        {
            "offset": pa.array(offsets, pa.int64()),
            "user_id": pa.array([f"u{number}" for number in rng.integers(0, users, count)], pa.string()),
            "event_timestamp": pa.array(micros(START) + offsets * 60 * SECOND, pa.int64()).cast(TIME),
            "recent_items": pa.array([[f"i{offset}"] * (offset % 3) for offset in offsets.tolist()], pa.list_(pa.string())),
        }
    )


def damage(path: Path, spared: Callable[[int, str], bool]) -> int:
    """Overwrite every column of every row group that is not spared; how many were."""
    metadata, data, harmed = pq.read_metadata(path), bytearray(path.read_bytes()), 0
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            if not spared(group, column.path_in_schema):
                begin = min(place for place in (column.dictionary_page_offset, column.data_page_offset) if place)
                data[begin : begin + column.total_compressed_size] = b"\xff" * column.total_compressed_size
                harmed += 1
    path.write_bytes(data)
    return harmed
