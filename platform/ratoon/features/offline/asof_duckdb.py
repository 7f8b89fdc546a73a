"""Matching by DuckDB's ASOF JOIN: in memory, with bounded memory; what does not fit there goes to temporary files."""

import atexit
import tempfile
from functools import cache
from threading import Lock

import duckdb
import numpy as np
import polars as pl

from ratoon.features.offline.entities import Sorted
from ratoon.features.offline.late import newest_known

MEMORY = "2GB"
"""What DuckDB may hold before it spills."""


_OPENING = Lock()


def database() -> duckdb.DuckDBPyConnection:
    """The process's one in-memory database; every use takes a cursor of its own."""
    with _OPENING:
        return _database()


@cache
def _database() -> duckdb.DuckDBPyConnection:
    spill = tempfile.TemporaryDirectory(prefix="ratoon-")
    connection = duckdb.connect(
        ":memory:",
        config={"memory_limit": MEMORY, "temp_directory": spill.name, "preserve_insertion_order": "false"},
    )
    atexit.register(spill.cleanup)
    atexit.register(connection.close)
    return connection


def match(rows: Sorted, index: pl.DataFrame, ttl_us: int, *, arrived: bool) -> np.ndarray:
    """The number of the row that each entity row meets, -1 for none. Arguments and answer as in `asof_polars.match`.

    Time, arrival and row number are packed into one 128-bit integer, so that the join itself settles ties: the
    greatest one below (time + 1, 0, 0) is the newest row in all three.
    """
    met = np.full(rows.frame.height, -1)
    if index.is_empty() or rows.frame.is_empty():
        return met
    arrived = arrived and "created" in index.columns
    ranked, packed, bound = _packed(rows, index)
    with database().cursor() as connection:
        connection.register("entity_rows", rows.frame.with_row_index("at").to_arrow())
        connection.register("view_rows", ranked.to_arrow())
        found = connection.sql(_query(packed, bound, ttl_us, arrived=arrived)).to_arrow_table()
        at, rid = found.column("at").to_numpy(), found.column("rid").to_numpy()
        met[at] = rid
        if arrived and (late := found.column("late").to_numpy()).any():
            met[at[late]] = _known(connection, rows, packed, ttl_us, at[late], rid[late])
    return met


def _known(
    connection: duckdb.DuckDBPyConnection, rows: Sorted, packed: str, ttl_us: int, at: np.ndarray, rid: np.ndarray
) -> np.ndarray:
    """For entity rows whose newest row, `rid`, had not arrived: the newest one that had, -1 for none."""
    asked = rows.frame[at]
    connection.register("late", pl.DataFrame({"code": asked["code"].unique()}).to_arrow())
    ordered = connection.sql(f"SELECT code, ts, created, rid FROM view_rows SEMI JOIN late USING (code) ORDER BY code, {packed}")
    older = {name: column.to_numpy() for name, column in zip(ordered.columns, ordered.to_arrow_table().columns, strict=True)}
    by_rid = np.argsort(older["rid"])
    start = by_rid[np.searchsorted(older["rid"], rid, sorter=by_rid)]
    found = newest_known(older["created"], start, asked["arrival"].to_numpy())
    held = (found >= 0) & (older["code"][found] == asked["code"].to_numpy())
    if ttl_us:
        held &= older["ts"][found] >= asked["ts"].to_numpy() - ttl_us
    return np.where(held, older["rid"][found].astype(np.int64), -1)


def _packed(rows: Sorted, index: pl.DataFrame) -> tuple[pl.DataFrame, str, str]:
    """The view's rows with their `order` among arrivals, SQL of their packed integer, and of the bound on it."""
    earliest = min(rows.earliest, _least(index, "ts"))
    order = pl.col("created") - _least(index, "created") + 1 if "created" in index.columns else pl.lit(0)
    ranked = index.with_columns(order=order.fill_null(0))
    row_bits, time_bits = _most(index, "rid").bit_length(), (rows.latest - earliest + 1).bit_length()
    if time_bits + _most(ranked, "order").bit_length() + row_bits > _ROOM:
        ranked = ranked.with_columns(order=pl.col("created").rank("dense").cast(pl.Int64).fill_null(0))
    order_bits = _most(ranked, "order").bit_length()
    packed = f'((ts - {earliest})::HUGEINT * {1 << order_bits} + "order") * {1 << row_bits} + rid'
    return ranked, packed, f"(ts - {earliest} + 1)::HUGEINT * {1 << (order_bits + row_bits)}"


_ROOM = 126
"""Bits of a positive HUGEINT, with one to spare."""


def _query(packed: str, bound: str, ttl_us: int, *, arrived: bool) -> str:
    """SQL of `at`, `rid` and, if arrival matters, whether that row was still to arrive: `late`."""
    late = ", f.created > e.arrival AS late" if arrived else ""
    held = f" WHERE f.ts >= e.ts - {ttl_us}" if ttl_us else ""
    return f"""
        SELECT e.at, f.rid{late}
        FROM (SELECT *, {bound} AS bound FROM entity_rows) AS e
        ASOF JOIN (SELECT *, {packed} AS packed FROM view_rows) AS f ON e.code = f.code AND e.bound > f.packed{held}"""


def _least(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].min() or 0)  # type: ignore[arg-type]  # integers


def _most(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].max() or 0)  # type: ignore[arg-type]  # integers
