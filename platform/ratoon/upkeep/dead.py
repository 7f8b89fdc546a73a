"""Features that say nothing: those that are always the same, and those that move no vector."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.embedding import Vectors
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.judging import Pair

LOOKED_AT = 1_000
"""Rows of each side."""

MOVED = 0.01
"""A feature that moves vectors by less than this share of their length, on average, is as good as not there."""


def dead(pair: Pair, schema: TowerSchema, users: pa.Table, items: pa.Table) -> Iterator[str]:
    """One line for each feature that could go, but for ids.

    Args:
        users, items: rows of each side's features, the newest last.
    """
    yield from _of("user", schema.user, users, pair.towers.users)
    yield from _of("item", schema.item, items, pair.towers.items)


def _of(side: str, features: Sequence[Feature], rows: pa.Table, embedded: Callable[[pa.Table], Vectors]) -> Iterator[str]:
    rows = rows.slice(max(0, rows.num_rows - LOOKED_AT))
    if not rows.num_rows:
        return
    whole = embedded(rows)
    length = np.linalg.norm(whole, axis=1).mean()
    for feature in (one for one in features if one.kind != "id"):
        column = rows.column(feature.name)
        if _constant(column):
            found = "missing" if column.null_count == len(column) else "the same"
            yield f"dead feature: {side} {feature.name} is {found} in all of {rows.num_rows:,} rows"
            continue
        without = rows.set_column(rows.column_names.index(feature.name), feature.name, pa.nulls(len(column), column.type))
        moved = float(np.linalg.norm(embedded(without) - whole, axis=1).mean() / length) if length else 0.0
        if moved < MOVED:
            yield f"dead feature: {side} {feature.name} moves vectors by {moved:.2%} of their length"


def _constant(column: pa.ChunkedArray) -> bool:
    if pa.types.is_list(column.type):
        column = pa.chunked_array([pa.array([repr(value) for value in column.to_pylist()])])
    return bool(pc.count_distinct(column, mode="all").as_py() <= 1)
