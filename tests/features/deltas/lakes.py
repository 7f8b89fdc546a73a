"""Folders of Parquet files that change under a view, and what deltas make of them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.features.deltas import changed
from ratoon.features.views import View, ViewField

Row = tuple[str | None, float | None, int]
"""Key, price and second."""

FIELDS = (ViewField("price", "FLOAT"), ViewField("tags", "STRING_LIST"))


def prices(folder: Path, glob: str = "*.parquet") -> View:
    return View("p", "prices", "item", "foreign", f"{folder}/lake/{glob}", "at", FIELDS, created_timestamp_field="seen")


def write(path: Path, rows: Sequence[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    times = pa.array([second * 1_000_000 for _, _, second in rows], pa.int64()).cast(TIME)
    columns = {
        "item_id": pa.array([key for key, _, _ in rows], pa.string()),
        "price": pa.array([price for _, price, _ in rows], pa.float32()),
        "tags": pa.array([[key or "", "t"][: second % 3] for key, _, second in rows], pa.list_(pa.string())),
        "at": times,
        "seen": times,
        "ignored": pa.array(range(len(rows)), pa.int64()),
    }
    beside = path.with_name(f".{path.name}")
    pq.write_table(pa.table(columns), beside)
    beside.rename(path)


def plain(table: pa.Table) -> list[Row]:
    """Key, price and second of each row of a delta."""
    seconds = [moment // 1_000_000 for moment in table.column("at").cast(pa.int64()).to_pylist()]
    return list(zip(table.column("item_id").to_pylist(), table.column("price").to_pylist(), seconds, strict=True))


def keys(table: pa.Table) -> list[str]:
    return sorted(table.column("item_id").to_pylist())


def settle(path: Path) -> None:
    """Make a file look as if it had been written long ago."""
    os.utime(path, ns=(10**18, 10**18))


def failure(view: View, state: Path) -> str:
    with pytest.raises(DataError) as raised:
        changed(view, None, state)
    return str(raised.value)
