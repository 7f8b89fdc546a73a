"""Matching by DuckDB's ASOF JOIN: in memory, with bounded memory; what does not fit there goes to temporary files."""

import atexit
import tempfile
from functools import cache

import duckdb
import numpy as np
import polars as pl

from ratoon.features.offline.entities import Sorted

MEMORY = "2GB"
"""What DuckDB may hold before it spills."""


@cache
def database() -> duckdb.DuckDBPyConnection:
    """The process's one in-memory database; every use takes a cursor of its own."""
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
    ranked, packed, bound = _packed(rows, index)
    with database().cursor() as connection:
        connection.register("entity_rows", rows.frame.with_row_index("at").to_arrow())
        connection.register("view_rows", ranked.to_arrow())
        found = connection.sql(_query(packed, bound, ttl_us, arrived=arrived and "created" in index.columns)).to_arrow_table()
    met[found.column("at").to_numpy()] = found.column("rid").to_numpy()
    return met


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
    held = f"AND first.since >= first.ts - {ttl_us}" if ttl_us else ""
    views = f"WITH f AS (SELECT code, ts, rid, {packed} AS packed {', created' if arrived else ''} FROM view_rows)"
    match = f"""
        SELECT e.at, e.code, e.ts, f.ts AS since, f.rid, f.packed {", e.arrival, f.created" if arrived else ""}
        FROM (SELECT *, {bound} AS bound FROM entity_rows) AS e ASOF JOIN f ON e.code = f.code AND e.bound > f.packed"""
    if not arrived:
        return f"{views} SELECT first.at, first.rid FROM ({match}) AS first WHERE true {held}"
    # A label whose newest row had not arrived asks all older ones; the aggregate holds one of them at a time.
    earlier = f"AND f.ts >= first.ts - {ttl_us}" if ttl_us else ""
    return f"""
        {views}, first AS MATERIALIZED ({match})
        SELECT first.at, first.rid FROM first WHERE first.created <= first.arrival {held}
        UNION ALL
        SELECT first.at, arg_max(f.rid, f.packed) AS rid
        FROM first JOIN f ON first.code = f.code AND f.packed < first.packed AND f.created <= first.arrival {earlier}
        WHERE first.created > first.arrival
        GROUP BY first.at"""


def _least(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].min() or 0)  # type: ignore[arg-type]  # integers


def _most(frame: pl.DataFrame, column: str) -> int:
    return int(frame[column].max() or 0)  # type: ignore[arg-type]  # integers
