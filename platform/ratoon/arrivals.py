"""Items that were posted after a release was made: its item tower gives them vectors from what they say of themselves.

Such an item has no learned row yet, as if its id had never been seen: what is known of it are its features, and that nobody
has had it.
"""

import logging
from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.embedding import NORM, EmbeddingBatch, Vectors
from ratoon.domain.encoding import completed
from ratoon.domain.errors import RatoonError
from ratoon.domain.popularity import WIDTH, WINDOWS, traits
from ratoon.domain.schema import TowerSchema
from ratoon.domain.shift import Shift
from ratoon.ports import EventLog, Index, Towers

logger = logging.getLogger("ratoon.serving")


@dataclass(frozen=True, slots=True)
class Joined:
    """The items of an index as they will be once a batch is put into it."""

    index: Index
    batch: EmbeddingBatch

    def __contains__(self, item_id: object) -> bool:
        return item_id in self.index or item_id in self.batch.ids

    def vectors(self, items: Sequence[str]) -> Vectors:
        """Theirs, in order, shape (n, dim). Raises KeyError for one that neither holds."""
        rows = {item: row for row, item in enumerate(self.batch.ids)}
        found = np.empty((len(items), self.batch.vectors.shape[1]), np.float32)
        new = np.array([item in rows for item in items], np.bool_)
        found[new] = self.batch.vectors[[rows[item] for item in items if item in rows]]
        found[~new] = self.index.vectors([item for item in items if item not in rows])
        return found


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Posted items, embedded and not yet to be seen.

    Attributes:
        release: the id of the release that they were embedded for.
        start, end: they were posted at offsets above `start`; everything up to `end` is among them, if it can be embedded.
        batch: those that the release does not know; None if there are none.
        edits: what was said of the display and filter columns of the others, which keep their learnt vectors.
        shift: what has become of popularity up to `end`.
        posted, gone: what the log said, when it was looked at, of all items that were posted or removed above `start`; see
            `EventLog.posted` and `removed`.
    """

    release: str
    start: int
    end: int
    batch: EmbeddingBatch | None
    edits: pa.Table | None = None
    shift: Shift | None = None
    posted: Mapping[str, bool] = field(default_factory=dict)
    gone: Collection[str] = ()

    def joined(self, index: Index) -> Index | Joined:
        """The items of an index and those that come."""
        return Joined(index, self.batch) if self.batch else index

    def by_now(self, log: EventLog) -> tuple[dict[str, bool], list[str]]:
        """`posted` and `gone` as the log says it now. Only what came after the look is read: answers wait meanwhile."""
        later, removed = dict(log.posted(self.end)), dict.fromkeys(log.removed(self.end))
        alive = {item: before for item, before in self.posted.items() if item not in removed}
        alive |= {item: before or alive.get(item, False) or item in self.gone for item, before in later.items()}
        return alive, [*(item for item in self.gone if item not in later), *removed]


def parted(
    table: pa.Table | None, new: Container[str], towers: Towers, schema: TowerSchema
) -> tuple[EmbeddingBatch | None, pa.Table | None]:
    """Of what is said of posted items: the `new` ones embedded, and the columns of the others.

    Args:
        table: see `ratoon.ports.PostedItems`.
    """
    if table is None:
        return None, None
    first = pa.array([item in new for item in table.column("item_id").to_pylist()], pa.bool_())
    fresh, known = table.filter(first), table.filter(pc.invert(first))
    shown = [name for name in table.column_names if name in {*schema.display, *schema.filters}]
    batch = embedded(towers, schema, fresh) if fresh.num_rows else None
    return batch, known.select(["item_id", *shown]) if known.num_rows else None


def embedded(towers: Towers, schema: TowerSchema, table: pa.Table) -> EmbeddingBatch:
    """The items of `table` that can be embedded, as items that nobody has had; the others are logged.

    Args:
        table: see `ratoon.ports.PostedItems`.
    """
    ids = table.column("item_id").to_pylist()
    with np.errstate(all="ignore"):
        vectors = _vectors(towers, completed(schema.item, table))
        lengths = np.linalg.norm(vectors, axis=1)
    good = np.isfinite(vectors).all(axis=1) & ((towers.metric != "cosine") | (np.abs(lengths - 1) < NORM))
    for place in np.flatnonzero(~good):
        logger.warning("item %r waits for the next refresh: its features give no vector", ids[place])
    if len(towers.popularity):
        vectors[:, -WIDTH:] = traits(np.zeros((1, len(WINDOWS)), np.int64), np.zeros(1, np.int64))
    kept = pa.array(good)
    shown = list(dict.fromkeys([*schema.display, *schema.filters]))
    for name in shown:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows))
    return _only(EmbeddingBatch(tuple(ids), np.where(good[:, None], vectors, 0), table.select(["item_id", *shown])), kept)


def put(index: Index, batch: EmbeddingBatch | None, alive: Container[str]) -> Sequence[str]:
    """Insert those items of a batch that are alive; which ones those are."""
    kept = pa.array([item in alive for item in batch.ids] if batch else [], pa.bool_())
    if batch is None or not kept.true_count:
        return ()
    batch = _only(batch, kept)
    try:
        index.upsert(batch)
    except RatoonError:  # a display column, say, of a type that the release's column cannot be read as
        logger.exception("items %r and %d more wait for the next refresh", batch.ids[0], len(batch.ids) - 1)
        return ()
    return batch.ids


def amend(index: Index, edits: pa.Table | None, alive: Container[str]) -> None:
    """Show what was said of those edited items that are alive."""
    if edits is None:
        return
    try:
        index.amend(edits.filter(pa.array([item in alive for item in edits.column("item_id").to_pylist()], pa.bool_())))
    except RatoonError:
        logger.exception("what was said of %d items that are served waits for the next refresh", edits.num_rows)


def _vectors(towers: Towers, table: pa.Table) -> Vectors:
    """Their vectors, shape (n, dim); NaN for an item whose columns do not fit the tower, which spoils no other."""
    try:
        return towers.items(table)
    except (pa.ArrowException, ValueError, TypeError, KeyError):
        if table.num_rows == 1:
            logger.exception("an item's columns do not fit the release's item tower")
            return np.full((1, towers.dim), np.nan, np.float32)
    return np.concatenate([_vectors(towers, table.slice(place, 1)) for place in range(table.num_rows)])


def _only(batch: EmbeddingBatch, kept: pa.Array) -> EmbeddingBatch:
    places = np.flatnonzero(kept.to_numpy(zero_copy_only=False))
    return EmbeddingBatch(tuple(batch.ids[place] for place in places), batch.vectors[places], batch.columns.filter(kept))
