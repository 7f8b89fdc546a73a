"""The current release, or an earlier one, made otherwise: nothing of what waits is learnt, and the gate judges the result."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import pyarrow as pa

from ratoon.domain import fusion, popularity, quality
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.popularity import WIDTH
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.upkeep import FILE, Upkeep
from ratoon.judging import Pair
from ratoon.ports import Files, Index, ServedTowers
from ratoon.workshop import PROFILE, Task, Workshop, settle


@dataclass(frozen=True, slots=True)
class Remade:
    """A candidate, and what the operation that made it says of itself; None where it says nothing.

    Attributes:
        rivals: what it was made of, by name, where it has to be better than each of them beyond chance.
    """

    pair: Pair
    said: Upkeep | None = None
    rivals: Mapping[str, Pair] = field(default_factory=dict)


class Remake(Protocol):
    """Makes a candidate of a release: a pure function of the release, the log up to the window's end, and the seed."""

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """The candidate; `source` and what `shop` opened are left as they are."""


@dataclass(frozen=True, slots=True)
class Remaking:
    """What is to be made of which release.

    Attributes:
        source: the beginning of the id of the release; the current one without it.
        rehearsed: whether the candidate is only judged and told of, and goes nowhere.
    """

    make: Remake
    source: str | None = None
    rehearsed: bool = False


def relaid(shop: Workshop, task: Task, source: Pair) -> Remade:
    """The release with its vectors laid out anew, as they are; what has come since is not in it."""
    old = source.index.snapshot()
    model = {name: data for name, data in source.model.items() if name not in old}
    index = filled(shop, task, source, source.towers, source.index.vectors(source.index.ids()))
    return Remade(settled(shop, task, Pair(model, source.towers, index, source.upto)))


def reembedded(shop: Workshop, task: Task, source: Pair, model: Files) -> Pair:
    """A model made of the source's, with the source's items as its own item tower sees them.

    What popularity is worth, how popular each item was, and what stands beside the towers, is the source's.
    """
    kept = {name: source.model[name] for name in (popularity.FILE, quality.FILE, PROFILE, FILE) if name in source.model}
    model = {**fusion.beside(source.model), **model, **kept}
    towers = shop.open_towers(model)
    index = filled(shop, task, source, towers, seen(shop, task, source, towers))
    return settled(shop, task, Pair(model, towers, index, source.upto))


def seen(shop: Workshop, task: Task, source: Pair, towers: ServedTowers) -> Vectors:
    """The source's items as an item tower sees them, in order of id, shape (n, dim); how popular each was is the source's."""
    ids = source.index.ids()
    vectors = towers.items(shop.features.items(ids, task.upto.as_of))
    if len(towers.popularity):
        vectors[:, -WIDTH:] = source.index.vectors(ids)[:, -WIDTH:]
    return vectors


def filled(shop: Workshop, task: Task, source: Pair, towers: ServedTowers, vectors: Vectors) -> Index:
    """An index for some towers: the source's items with other vectors, in order of id, shape (n, dim), and their columns."""
    ids, schema = source.index.ids(), TowerSchema.from_json(source.model[SCHEMA].decode())
    items = shop.features.items(ids, task.upto.as_of)
    index = shop.indexes.empty(vectors.shape[1], towers.metric)
    columns: pa.Table = items.select(list(dict.fromkeys(["item_id", *schema.display, *schema.filters])))
    index.upsert(EmbeddingBatch(tuple(ids), vectors, columns))
    return index


def settled(shop: Workshop, task: Task, pair: Pair) -> Pair:
    """The pair, its index laid out for what it holds."""
    settle(shop, task, pair)
    return pair


def signed(remade: Remade) -> Pair:
    """The candidate with the operation written down after those before it."""
    if (said := remade.said) is None:
        return remade.pair
    model = remade.pair.model
    before = json.loads(model[FILE]) if FILE in model else []
    line = {"operation": said.operation, "settings": dict(said.settings), "source": said.source, "choice": said.choice}
    return replace(remade.pair, model={**model, FILE: json.dumps([*before, line], sort_keys=True, indent=1).encode()})
