"""The point-in-time join: for each entity row and view, the newest row that held then (and had arrived by then).

The rule, for every engine: among a view's rows with the entity row's key, a time <= the entity row's, and a created
timestamp <= its arrival where that is asked for, the one with the greatest (time, created timestamp, place in the files
by path and row). If it is older than the view's ttl, or there is none, the features are null. A null that is newest counts.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from ratoon.domain.errors import DataError, UsageError
from ratoon.features.offline import asof_duckdb, asof_polars, sources
from ratoon.features.offline.entities import Entities, Sorted
from ratoon.features.offline.gather import gather, types
from ratoon.features.offline.index import key_types, read_index, require
from ratoon.features.offline.sources import Part
from ratoon.features.offline.spec import ENGINES, Engine, ViewSide

MATCHED_AT_ONCE = 2
"""Views whose rows are matched at the same time: each holds about 100 bytes per row of its table."""

MATCH: dict[Engine, Callable[..., np.ndarray]] = {"polars": asof_polars.match, "duckdb": asof_duckdb.match}


def point_in_time(
    entities: pa.Table, views: Sequence[ViewSide], *, timestamp: str, arrival: str | None = None, engine: Engine = "polars"
) -> pa.Table:
    """Features as of each entity row, in the caller's order.

    Args:
        entities: any columns, among them the views' keys.
        timestamp: the entity column to join at.
        arrival: the entity column that a joined row's created timestamp must not exceed; None takes rows whenever they
            arrived. It says nothing of views without a created column.

    Returns:
        `entities` followed by one column per feature, each in one chunk.

    Raises:
        DataError, StoreError: naming view, column and file, for what cannot be joined.
    """
    _unique(entities, views)
    columns = features_as_of(Entities.of(entities, timestamp, arrival), views, engine)
    own = {name: _one(column) for name, column in zip(entities.column_names, entities.columns, strict=True)}
    return pa.table(own | columns)


def features_as_of(rows: Entities, views: Sequence[ViewSide], engine: Engine) -> dict[str, pa.Array]:
    """The features alone: output name -> one value per entity row."""
    if engine not in ENGINES:
        raise UsageError("engine", expected=" or ".join(ENGINES), found=repr(engine), fix="Correct it in feature_store.yaml.")
    opened = [_Opened(view, rows) for view in views]
    # Sorting and matching hold integers alone and leave a core idle; gathering holds the features and leaves none.
    with ThreadPoolExecutor(MATCHED_AT_ONCE) as pool:
        keys = dict.fromkeys(view.keys for view in opened)
        ordered = dict(zip(keys, pool.map(rows.by, keys), strict=True))
        met = list(pool.map(lambda view: view.meet(rows, ordered[view.keys], MATCH[engine]), opened))
    found: dict[str, pa.Array] = {}
    for view, (parts, rids) in zip(opened, met, strict=True):
        arrays = gather(view.side, parts, view.kinds, rids)
        found.update(zip((name for _, name in view.side.features), arrays, strict=True))
    return found


def batches(
    entities: pa.RecordBatchReader,
    views: Sequence[ViewSide],
    *,
    timestamp: str,
    arrival: str | None = None,
    engine: Engine = "polars",
) -> Iterator[pa.RecordBatch]:
    """`point_in_time` over a stream of entity rows, one batch out per batch in; memory follows the batch."""
    for batch in entities:
        joined = point_in_time(pa.table(batch), views, timestamp=timestamp, arrival=arrival, engine=engine)
        yield from joined.combine_chunks().to_batches()


class _Opened:
    """A side with its files' footers read, so that whatever is wrong with them shows before work starts."""

    def __init__(self, side: ViewSide, rows: Entities) -> None:
        self.side, self.parts = side, sources.open_parts(side.source, side.where)
        for part in self.parts:
            for column in filter(None, (side.timestamp, side.created)):
                require(column, part, side)
        self.keys = rows.keys([name for _, name in side.keys], key_types(side, self.parts), side.where)
        self.kinds = types(side, self.parts)

    def meet(self, rows: Entities, ordered: Sorted, match: Callable[..., np.ndarray]) -> tuple[list[Part], np.ndarray]:
        """The parts that matter, and for each entity row the number of the row in them that it meets, -1 for none."""
        parts, arrived = self._needed(ordered), rows.arrivals is not None
        index = read_index(self.side, parts, ordered, known=arrived)
        rids = np.full(len(rows.times), -1)
        rids[ordered.frame["place"].to_numpy()] = match(ordered, index, self.side.ttl_us, arrived=arrived)
        return parts, rids

    def _needed(self, rows: Sorted) -> list[Part]:
        if rows.frame.is_empty():
            return []
        low = rows.earliest - self.side.ttl_us if self.side.ttl_us else None
        return sources.between(self.parts, self.side.timestamp, low, rows.latest)


def _unique(entities: pa.Table, views: Sequence[ViewSide]) -> None:
    seen = set(entities.column_names)
    for view in views:
        for _, name in view.features:
            if name in seen:
                raise DataError(
                    f"feature {name!r} of {view.where}",
                    expected="a name that no entity column and no other feature has",
                    found="one that is taken",
                    fix="Rename it, or ask for full feature names.",
                )
            seen.add(name)


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
