"""Flow 3, read: a query to candidates, all from one release."""

from collections.abc import Container, Iterable, Set
from heapq import nsmallest
from itertools import islice
from typing import Protocol

from ratoon.answering import Found, answered
from ratoon.domain.predicate import Kind, Predicate, bound
from ratoon.domain.query import Answer, Candidate, Query, Source
from ratoon.domain.release import Release
from ratoon.domain.schema import TowerSchema
from ratoon.domain.shift import Shift
from ratoon.ports import EventLog, Index, OnlineFeatures, Towers

WIDEST = 10_000
"""How far down the list of popular items to look for candidates."""


class Slot(Protocol):
    """One opened release, as `adopt` puts it together; `items` are the ids in `index`."""

    @property
    def release(self) -> Release:
        """Its manifest."""

    @property
    def schema(self) -> TowerSchema:
        """What the towers are fed."""

    @property
    def towers(self) -> Towers:
        """The release's towers."""

    @property
    def adopting(self) -> bool:
        """Whether the index is still on its way to the release."""

    @property
    def index(self) -> Index:
        """The release's items."""

    @property
    def items(self) -> Set[str]:
        """Their ids."""

    @property
    def posted(self) -> Container[str]:
        """Those of them that came after the release and are known by their features alone."""

    @property
    def shift(self) -> Shift | None:
        """What has become of popularity since the release was made."""


def retrieve(query: Query, slot: Slot, online: OnlineFeatures, log: EventLog) -> Answer:
    """Up to k candidates from `slot`, best first, and where they come from.

    A user with stored features is embedded now and searched for (`tower`); without any, gets what is popular now,
    followed by other items where that is too little (`cold`); `popular` is answered by popularity alone. A filter holds for
    all of them.

    Raises:
        FilterRefused: the filter names a column that is none of the release's filter columns, or does not fit it.
    """
    only = None if query.filter is None else bound(query.filter, _filterable(slot))
    excluded = query.exclude | set(log.seen(query.user_id)) if query.exclude_seen else query.exclude
    row = None if query.popular else online.user(query.user_id, slot.schema)
    if row is not None:
        (best,) = answered(slot.index, slot.towers.users(row), query.k, [excluded], _present(slot), only)
        return _answer(slot, "tower", best)
    found = _popular(query.k, slot, excluded, only, log)
    if query.popular:
        return _answer(slot, "popular", found)
    return _answer(slot, "cold", found + _others(query.k - len(found), slot, excluded | {item for item, _ in found}, only))


def _filterable(slot: Slot) -> dict[str, Kind]:
    """What can be asked of a candidate; a column of which nothing is known yet can be asked anything."""
    kinds = slot.index.kinds()
    return {name: kinds.get(name, "nothing") for name in slot.schema.filters}


def _present(slot: Slot) -> Shift | None:
    """The slot's shift without what was taken away since."""
    gone = set(slot.shift.items) - slot.items if slot.shift else set()
    return slot.shift.without(gone) if slot.shift and gone else slot.shift


def _popular(k: int, slot: Slot, excluded: Set[str], only: Predicate | None, log: EventLog) -> Found:
    counts = dict(log.popular(WIDEST))
    live = (item for item in _matching(slot, counts, only) if item in slot.items and item not in excluded)
    return [(item, float(counts[item])) for item in islice(live, k)]


def _others(count: int, slot: Slot, excluded: Set[str], only: Predicate | None) -> Found:
    return [(item, 0.0) for item in nsmallest(count, _matching(slot, slot.items - excluded, only))] if count else []


def _matching(slot: Slot, items: Iterable[str], only: Predicate | None) -> Iterable[str]:
    return items if only is None else slot.index.matching(items, only)


def _answer(slot: Slot, source: Source, found: Found) -> Answer:
    shown = slot.index.columns(item for item, _ in found)
    candidates = tuple(
        Candidate(item, score, shown[item], "features" if item in slot.posted else "index")
        for item, score in found
        if item in shown  # it is gone by now where a release is being adopted
    )
    release = slot.release
    return Answer(candidates, source, release.id, release.sequence, release.window.as_of, slot.adopting)
