"""What a release answers to questions of one slice, and how far down the answer the wanted item is.

Every policy is asked through `answers` alone. It knows the log as it was just before each question, so that a release can be
asked as it would be served: between refreshes too, its server sees what happened up to the request.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ratoon.answering import Found, answered, shift
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.popularity import WINDOWS, Ints, Timeline, traits
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Files, Index, Towers


@dataclass(frozen=True, slots=True)
class Opened:
    """A model and its index, ready to be asked.

    Attributes:
        upto: the log offset up to which it knows how popular items are.
    """

    files: Files
    towers: Towers
    index: Index
    upto: int


@dataclass(frozen=True, slots=True)
class Asked:
    """The questions of one slice, the same for every policy and seed.

    Attributes:
        users: n rows of user features, of just before each interaction, with `offset`, `user_id` and `item_id`.
        hidden: per question, the items that may not be answered.
        offsets: per question, the log offset of its interaction: what is below it may be known.
        late: features at their first moment of items that the first release has not seen.
        timeline: all interactions, of which each question may know what is below its offset.
    """

    users: pa.Table
    hidden: list[set[str]]
    offsets: list[int]
    late: pa.Table
    timeline: Timeline


def answers(pair: Opened, asked: Asked, k: int) -> list[Found]:
    """For each question the k best items that `pair` would have given its user just before, as a server would."""
    moved = shift(pair.index, pair.towers.popularity, asked.timeline, pair.upto, asked.offsets)
    return answered(pair.index, pair.towers.users(asked.users), k, asked.hidden, moved)


def ranks(pair: Opened, asked: Asked, schema: TowerSchema, k: int) -> list[int]:
    """For each question the rank from 0 of its item among the k candidates; k if it is not among them.

    Items that the pair has not seen are candidates too, embedded from their features as its tower embeds them.
    """
    if not asked.users.num_rows:
        return []
    with with_newcomers(pair, asked, schema):
        found = answers(pair, asked, k)
    wanted = asked.users.column("item_id").to_pylist()
    return [
        next((rank for rank, (item, _) in enumerate(row) if item == want), k) for row, want in zip(found, wanted, strict=True)
    ]


@contextmanager
def with_newcomers(pair: Opened, asked: Asked, schema: TowerSchema) -> Iterator[list[str]]:
    """While the body runs, the pair's index also holds those of the items that it lacks; their ids."""
    new = [row for row, item in enumerate(asked.late.column("item_id").to_pylist()) if item not in pair.index]
    items = asked.late.take(pa.array(new, pa.int64()))
    ids: list[str] = items.column("item_id").to_pylist()
    if ids:
        pair.index.upsert(embedded(pair.towers, items, schema, asked.timeline, pair.upto))
    try:
        yield ids
    finally:
        pair.index.remove(ids)


def embedded(towers: Towers, items: pa.Table, schema: TowerSchema, timeline: Timeline, upto: int) -> EmbeddingBatch:
    """Items as they go into an index: their vectors, as popular as they were up to an offset, and the columns beside them."""
    ids: list[str] = items.column("item_id").to_pylist()
    vectors, width = towers.items(items), len(towers.popularity)
    if width:
        vectors[:, -width:] = _traits(ids, timeline, upto)
    columns = items.select(list(dict.fromkeys(["item_id", *schema.display, *schema.filters])))
    return EmbeddingBatch(tuple(ids), vectors, columns)


def _traits(ids: Sequence[str], timeline: Timeline, upto: int) -> Vectors:
    place = {item: code for code, item in enumerate(timeline.items)}
    held = np.array([item in place for item in ids], np.bool_)
    codes: Ints = np.array([place[item] for item in ids if item in place], np.int64)
    moment: Ints = np.array([upto + 1], np.int64)
    recent, ever = np.zeros((len(ids), len(WINDOWS)), np.int64), np.zeros(len(ids), np.int64)
    recent[held], ever[held] = timeline.recent(moment, codes)[0], timeline.counted(moment, codes)[0]
    return traits(recent, ever)
