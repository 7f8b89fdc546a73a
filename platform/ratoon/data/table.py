"""Checked rows -> the event table: event ids, the moment each user and item appears, and one order.

It does not know which rows were put aside.
"""

from collections.abc import Iterable
from typing import Literal

import polars as pl
import pyarrow as pa

from ratoon.domain.event import EVENT_SCHEMA

APPEARS_US = 1_000_000
"""A user or item appears this long (1 s) before its first interaction, so that a catalogue grows as it did in life."""


def interaction_events(rows: pl.DataFrame) -> pl.DataFrame:
    """Events of kind `interaction` from (n,) user, item, us, type, value.

    The id is `i:USER:ITEM:MICROSECONDS`, with `:2`, `:3`, ... for later rows of the same three, in file order.
    """
    suffix = pl.when(pl.col("again") > 1).then(pl.format(":{}", "again")).otherwise(pl.lit(""))
    return rows.with_columns(again=_occurrence(rows, ("user", "item", "us"))).select(
        event_id=pl.format("i:{}:{}:{}{}", _safe("user"), _safe("item"), "us", suffix),
        kind=pl.lit("interaction"),
        user_id="user",
        item_id="item",
        type="type",
        value="value",
        us="us",
    )


def entity_events(rows: pl.DataFrame, kind: Literal["user", "item"], interactions: pl.DataFrame) -> pl.DataFrame:
    """Events of kind `user` or `item` from (n,) id, us (null: derived), features (JSON text).

    A derived time is 1 s before the first interaction of this id, or of anyone if it has none. The id of an event is
    `KIND:ID`, with `:MICROSECONDS` behind it where the time was given, since then an id may have several.

    Args:
        rows: who or what appears.
        kind: what they are.
        interactions: (m > 0,) with the columns user, item, us.
    """
    first = interactions.group_by(id=kind).agg(first=pl.col("us").min())
    start = interactions["us"].min()
    derived = pl.coalesce("first", pl.lit(start)) - APPEARS_US
    given = pl.when(pl.col("us").is_not_null()).then(pl.format(":{}", "us")).otherwise(pl.lit(""))
    return rows.join(first, on="id", how="left").select(
        pl.format("{}:{}{}", pl.lit(kind), _safe("id"), given).alias("event_id"),
        pl.lit(kind).alias("kind"),
        pl.col("id").alias(f"{kind}_id"),
        pl.coalesce("us", derived).alias("us"),
        "features",
    )


def event_table(parts: Iterable[pl.DataFrame]) -> pa.Table:
    """All parts as one table of `ratoon.domain.event.EVENT_SCHEMA`, sorted by event_timestamp, then event_id."""
    rows = pl.concat(parts, how="diagonal").sort("us", "event_id")
    rows = rows.with_columns(event_timestamp=pl.col("us").cast(pl.Datetime("us", "UTC")))
    there = set(rows.columns)
    columns = [pl.col(name) if name in there else pl.lit(None, pl.String).alias(name) for name in EVENT_SCHEMA.names]
    return rows.select(columns).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(EVENT_SCHEMA)


def _occurrence(rows: pl.DataFrame, key: tuple[str, ...]) -> pl.Series:
    """(n,) 1 for the first row with its key, 2 for the second, ...; counts only among the few that repeat."""
    twice = rows.select(pl.struct(key).is_duplicated()).to_series()
    order = rows.filter(twice).select(pl.int_range(1, pl.len() + 1).over(key)).to_series()
    return pl.repeat(1, rows.height, dtype=pl.Int64, eager=True).scatter(twice.arg_true(), order)


def _safe(column: str) -> pl.Expr:
    """The id with `%` and `:` escaped as in a URL, so that two different events never get the same event id."""
    return pl.col(column).str.replace_all("%", "%25", literal=True).str.replace_all(":", "%3A", literal=True)
