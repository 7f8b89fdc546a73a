"""Matching by Polars' join_asof: keys and times as one sorted integer on both sides, so that one merge answers every key."""

import numpy as np
import polars as pl

from ratoon.features.offline.entities import Sorted, composite
from ratoon.features.offline.late import newest_known


def match(rows: Sorted, index: pl.DataFrame, ttl_us: int, *, arrived: bool) -> np.ndarray:
    """The number of the row that each entity row meets, -1 for none.

    Args:
        rows: entity rows in (code, time) order.
        index: a view's rows, as `read_index` gives them.
        arrived: only rows with created <= the entity row's `arrival`.

    Returns:
        int64[len(rows.frame)], in that order.
    """
    if index.is_empty() or rows.frame.is_empty():
        return np.full(rows.frame.height, -1)
    earliest = min(rows.earliest, int(index["ts"].min()))  # type: ignore[arg-type]  # integers
    key = composite(rows.wanted.height, earliest, rows.latest)
    stamps = [pl.col("created").fill_null(_OLDEST)] if "created" in index.columns else []
    ordered = index.lazy().select(key.alias("key"), *stamps, "rid").sort("key").collect()
    ordered = _ties(ordered)
    first = pl.col("code").cast(ordered.schema["key"]) * (rows.latest - earliest + 1)
    oldest = pl.max_horizontal(first, key - ttl_us) if ttl_us else first
    left = rows.frame.lazy().select(key.alias("key"), oldest.alias("oldest")).set_sorted("key")
    right = ordered.lazy().select("key", pl.col("key").alias("met")).with_row_index("at").set_sorted("key")
    met = left.join_asof(right, on="key").select("at", "oldest", held=pl.col("met") >= pl.col("oldest"))
    found = met.collect(engine="streaming")
    at = found.select(pl.when("held").then(pl.col("at").cast(pl.Int64)).otherwise(-1)).to_series().to_numpy()
    if arrived and stamps:
        at = _known(rows, ordered, found["oldest"], at)
    return np.where(at >= 0, ordered["rid"].to_numpy().astype(np.int64)[np.maximum(at, 0)], -1)


_OLDEST = np.iinfo(np.int64).min


def _ties(ordered: pl.DataFrame) -> pl.DataFrame:
    """Rows of one key and time in the order of their arrival, then of their numbers: the last one is the one that counts."""
    same = ordered["key"] == ordered["key"].shift(1)
    same = same.fill_null(value=False)
    tied = (same | same.shift(-1, fill_value=False)).arg_true()
    if tied.is_empty():
        return ordered
    columns = [name for name in ordered.columns if name != "key"]
    sorted_again = ordered[tied].sort("key", *columns)
    return ordered.with_columns(ordered[name].clone().scatter(tied, sorted_again[name]) for name in columns)


def _known(rows: Sorted, ordered: pl.DataFrame, oldest: pl.Series, at: np.ndarray) -> np.ndarray:
    created, arrival = ordered["created"].to_numpy(), rows.frame["arrival"].to_numpy()
    late = np.flatnonzero((at >= 0) & (created[np.maximum(at, 0)] > arrival))
    if not len(late):
        return at
    found = newest_known(created, at[late], arrival[late])
    met = ordered["key"][np.maximum(found, 0)]
    held = (met >= oldest[late]).to_numpy() & (found >= 0)
    at = at.copy()
    at[late] = np.where(held, found, -1)
    return at
