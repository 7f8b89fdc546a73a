"""Flow 3, read: a query to candidates, all from one release."""

from collections.abc import Callable, Container, Iterable
from itertools import islice
from typing import Protocol

import numpy as np

from ratoon.answering import Found, answered
from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import StoreError
from ratoon.domain.inputs import Unfit
from ratoon.domain.predicate import Kind, Predicate, bound
from ratoon.domain.query import Answer, Query, Source, UnknownItems
from ratoon.domain.release import Release
from ratoon.domain.schema import TowerSchema
from ratoon.domain.shift import Shift
from ratoon.ports import EventLog, Index, OnlineFeatures, ServedTowers, Values

WIDEST = 10_000
"""How far down the list of popular items to look for candidates."""

Lap = Callable[[str], None]
"""Hears that a stage is over: `features`, `embed`, `search`."""


class Slot(Protocol):
    """One opened release, as `adopt` puts it together."""

    @property
    def release(self) -> Release:
        """Its manifest."""

    @property
    def schema(self) -> TowerSchema:
        """What the towers are fed."""

    @property
    def towers(self) -> ServedTowers:
        """The release's towers."""

    @property
    def adopting(self) -> bool:
        """Whether the index is still on its way to the release."""

    @property
    def index(self) -> Index:
        """The release's items."""

    @property
    def posted(self) -> Container[str]:
        """Those of them that came after the release and are known by their features alone."""

    @property
    def shift(self) -> Shift | None:
        """What has become of popularity since the release was made."""


def _unheard(_stage: str) -> None:
    """Nobody counts the time."""


def retrieve(query: Query, slot: Slot, online: OnlineFeatures, log: EventLog, lap: Lap = _unheard) -> Answer:
    """Up to k candidates from `slot`, best first, and where they come from; see `ratoon.domain.query.Source`.

    A user with features is embedded now and searched for. Without any, and where features cannot be read, the answer is what is
    popular now, followed by other items where that is too little. A filter holds for all candidates, whatever their source.

    Raises:
        FilterRefused: the filter names a column that is none of the release's filter columns, or does not fit it.
        UnknownItems: none of the items that candidates shall be like is served.
        Unfit: a vector is of another length than the release's.
    """
    only = None if query.filter is None else bound(query.filter, _filterable(slot))
    excluded = _excluded(query, log)
    source, values = _described(query, slot, online)
    lap("features")
    vector = _vector(query, slot, values)
    lap("embed")
    if vector is None:
        found = _popular(query.k, slot, excluded, only, log)
        if source != "popular":
            found += _others(query.k - len(found), slot, excluded.union(item for item, _ in found), only)
    elif values is None:
        (found,) = slot.index.search(vector, query.k, [excluded], only)
    else:
        (found,) = answered(slot.index, vector, query.k, [excluded], slot.shift, only)
    lap("search")
    release = slot.release
    return Answer(found, source, release.id, release.sequence, release.window.as_of, slot.adopting, values, vector)


def _excluded(query: Query, log: EventLog) -> frozenset[str]:
    if query.user_id is None or not query.exclude_seen:
        return query.exclude.union(query.like)
    met = (event.item_id for event in query.session if event.item_id is not None)
    return query.exclude.union(log.seen(query.user_id), met)


def _described(query: Query, slot: Slot, online: OnlineFeatures) -> tuple[Source, Values | None]:
    """Where candidates come from, and the inputs of the user tower if that is what they are searched by."""
    if query.popular:
        return "popular", None
    if query.like:
        return "items", None
    if query.vector is not None:
        return "vector", None
    if query.user_id is None:
        return "tower", {**(query.features or {}), **query.context}
    source: Source = "tower"
    try:
        values = online.user(query.user_id, slot.schema, query.session)
    except StoreError:
        values = online.remembered(query.user_id, slot.schema)
        source = "cached" if values is not None else "fallback"
    if query.context:
        return source, {**(values or {}), **query.context}
    return ("cold" if values is None and source == "tower" else source), values


def _vector(query: Query, slot: Slot, values: Values | None) -> Vectors | None:
    if values is not None:
        return slot.towers.user(values)
    if query.like:
        return _mean(query, slot)
    if query.vector is not None:
        return _given(query.vector, slot.towers)
    return None


def _mean(query: Query, slot: Slot) -> Vectors:
    """The mean direction of items, by what was learnt of them: how popular they are says nothing of what they are like."""
    held = [item for item in query.like if item in slot.index]
    if not held:
        raise UnknownItems(
            "item_ids",
            expected="at least one item that is served",
            found=", ".join(map(repr, query.like[:3])),
            fix="Post the item, or ask for one that was answered lately.",
        )
    vectors = slot.index.vectors(held)
    vectors[:, vectors.shape[1] - len(slot.towers.popularity) :] = 0
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    mean: Vectors = vectors.mean(axis=0, keepdims=True)
    return mean


def _given(vector: Vectors, towers: ServedTowers) -> Vectors:
    learned = towers.dim - len(towers.popularity)
    if len(vector) not in (learned, towers.dim):
        raise Unfit(
            "vector",
            expected=f"{learned} numbers, or {towers.dim} with what popularity is worth",
            found=str(len(vector)),
            fix="Ask with a vector of the release's own tower.",
        )
    return np.concatenate([vector, np.zeros(towers.dim - len(vector), np.float32)])[None, :]


def _filterable(slot: Slot) -> dict[str, Kind]:
    """What can be asked of a candidate; a column of which nothing is known yet can be asked anything."""
    kinds = slot.index.kinds()
    return {name: kinds.get(name, "nothing") for name in slot.schema.filters}


def _popular(k: int, slot: Slot, excluded: frozenset[str], only: Predicate | None, log: EventLog) -> Found:
    ranked = log.popular(WIDEST)
    counts = ranked if only is None else _matching(ranked, slot, only)
    live = ((item, float(count)) for item, count in counts if item not in excluded and item in slot.index)
    return list(islice(live, k))


def _matching(ranked: Iterable[tuple[str, int]], slot: Slot, only: Predicate) -> Iterable[tuple[str, int]]:
    counts = dict(ranked)
    return [(item, counts[item]) for item in slot.index.matching(counts, only)]


def _others(count: int, slot: Slot, excluded: frozenset[str], only: Predicate | None) -> Found:
    return [(item, 0.0) for item in slot.index.first(count, excluded, only)] if count > 0 else []
