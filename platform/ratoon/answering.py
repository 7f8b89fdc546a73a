"""The best items for each of some queries: what the index says, set right by how popular items are at that moment.

An index holds the traits of the moment it was made for. What has happened since, or had not happened yet at an earlier
moment that is asked about, moves the scores of few items: those are scored again by themselves, exactly.
"""

from collections.abc import Iterable, Sequence, Set
from operator import itemgetter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.domain.popularity import KEPT, WIDTH, WINDOWS, Growing, Ints, Timeline, ever_of, traits
from ratoon.domain.predicate import Predicate
from ratoon.domain.shift import Shift
from ratoon.ports import EventLog, Index

Found = list[tuple[str, float]]
"""Item ids and scores, best first."""

WARMED = 64
"""Items whose neighbours are looked for before an index is served."""

SPARE = 32
"""How many more than asked for are looked for where scores have moved since."""

CHUNK = 128
"""Moments whose traits are made at once: bounds memory at CHUNK * items * WIDTH * 16 bytes."""


def lately(log: EventLog, end: int, since: int, left_out: Sequence[tuple[int, int]] = ()) -> Timeline:
    """What was popular at every moment from offset `since` to `end`: with KEPT interactions before it, if the log has them."""
    return _grown(log, end, since, left_out).timeline()


def _grown(log: EventLog, end: int, since: int, left_out: Sequence[tuple[int, int]]) -> Growing:
    """Of what such a timeline is made."""
    count = KEPT + max(0, end - since) + 1
    while True:
        rows, growing = log.recent(end, count), Growing(left_out)
        growing.add(rows)
        if len(rows) < count or np.searchsorted(growing.timeline().offsets, since) >= KEPT:
            return growing
        count *= 2  # repeats and what is left out count for nothing


class Lately:
    """`lately` at one moment after the other: only what has come in between is read. For one thread at a time."""

    def __init__(self) -> None:
        self._made_for: object = None
        self._growing = Growing()
        self._end = 0

    def upto(self, log: EventLog, end: int, since: int, left_out: Sequence[tuple[int, int]] = ()) -> Timeline:
        """As `lately` says."""
        wanted = log.edition(), since, tuple(left_out)
        if wanted != self._made_for or end < self._end:
            self._growing = _grown(log, end, since, left_out)
        else:
            # There may be fewer: not every event is an interaction.
            self._growing.add([row for row in log.recent(end, end - self._end) if row[0] > self._end])
        self._made_for, self._end = wanted, end
        return self._growing.timeline()


class Held(Protocol):
    """Items and their vectors."""

    def __contains__(self, item_id: object) -> bool:
        """Whether it holds an item."""

    def vectors(self, items: Sequence[str]) -> Vectors:
        """Theirs, in order, shape (n, dim). Raises KeyError for one that it does not hold."""


def shift(index: Held, worth: Vectors, timeline: Timeline, upto: int, offsets: Sequence[int]) -> Shift | None:
    """What the moments just before some offsets add to the scores in an index; None if that is nothing.

    Args:
        index: with the traits of the moment just after offset `upto`.
        worth: what each trait is worth; empty where vectors have none.
        timeline: of all interactions from KEPT before the first moment to the last one.
        offsets: one per query, or one for all.
    """
    if not worth.any():
        return None
    moments = np.array(offsets, np.int64)
    codes = timeline.touched(min(upto + 1, int(moments.min())), max(upto + 1, int(moments.max())))
    codes, vectors = _held(index, timeline, codes)
    items = tuple(timeline.items[code] for code in codes)
    known = vectors[:, -WIDTH:]
    ever = ever_of(known) - timeline.counted(np.array([upto + 1]), codes)[0]
    parts = [_amounts(timeline, part, codes, ever, known, worth) for part in np.split(moments, range(CHUNK, len(moments), CHUNK))]
    found = Shift(items, vectors, np.concatenate(parts)).moving()
    return found if found.items else None


def _held(index: Held, timeline: Timeline, codes: Ints) -> tuple[Ints, Vectors]:
    """Those of the items that an index holds, and their vectors; others may take items away meanwhile."""
    while True:
        there = codes[[timeline.items[code] in index for code in codes]]
        try:
            return there, index.vectors([timeline.items[code] for code in there])
        except KeyError:
            continue


def _amounts(timeline: Timeline, moments: Ints, codes: Ints, ever: Ints, known: Vectors, worth: Vectors) -> Vectors:
    recent, counted = timeline.told(moments, codes)
    then = traits(recent, ever + counted)
    amounts: Vectors = ((then - known) @ worth).astype(np.float32)
    return amounts


def answered(
    index: Index,
    queries: Vectors,
    k: int,
    hidden: Sequence[Iterable[str]] = (),
    moved: Shift | None = None,
    only: Predicate | None = None,
) -> list[Found]:
    """For each query its k best items, best first, ties by id; fewer if there are fewer.

    Args:
        queries: shape (n, dim).
        hidden: n sets of items that must not be answered, or nothing.
        only: what must be true of the columns of every item that is answered.
    """
    if moved is not None and moved.items and len(queries) == len(moved.amounts) == 1:
        return [_answered_alone(index, queries, k, frozenset(hidden[0] if hidden else ()), moved, only)]
    if moved is not None and only is not None:
        moved = moved.without(set(moved.items).difference(index.matching(moved.items, only)))
    if moved is None or not moved.items or not len(queries):
        return index.search(queries, k, hidden, only)
    own = queries @ moved.vectors.T + moved.amounts
    apart, sets = set(moved.items), [set(items) for items in hidden] or [set[str]()] * len(queries)
    found: list[Found] = [[] for _ in queries]
    rows, depth = list(range(len(queries))), 2 * k
    while rows:
        near = index.search(queries[rows], depth, [sets[row] for row in rows] if hidden else (), only)
        deeper = []
        for row, pairs in zip(rows, near, strict=True):
            found[row] = _merged(pairs, own[row], moved.items, apart, sets[row], k)
            # What the index did not return scores at most as much as the last it returned.
            if len(pairs) == depth and (len(found[row]) < k or found[row][-1][1] <= pairs[-1][1]):
                deeper.append(row)
        rows, depth = deeper, 4 * depth
    return found


def _answered_alone(index: Index, query: Vectors, k: int, hidden: frozenset[str], moved: Shift, only: Predicate | None) -> Found:
    """What `answered` gives for one query, shape (1, dim), without scoring all that has moved.

    What the index did not return scored at most as much as the last it returned. It is among the k best only if more was added
    to it than lies between that and the k-th: of few items that much is, and those alone are scored.
    """
    depth = k + SPARE
    while True:
        (near,) = index.search(query, depth, [hidden], only)
        added, told = moved.by_item, {item for item, _ in near}
        touched = not added.keys().isdisjoint(told)
        found = [(item, score + added.get(item, 0.0)) for item, score in near] if touched else near
        last = near[-1][1] if len(near) == depth else -np.inf
        ranked = sorted([score for _, score in found], reverse=True) if touched else [score for _, score in found]
        bar = ranked[k - 1] if len(ranked) >= k else -np.inf
        if bar > last or last == -np.inf:
            risen = _risen(index, query, bar, last, hidden | told, moved, only)
            return _best([*found, *risen], k) if touched or risen else found[:k]
        depth *= 4


def _best(found: Found, k: int) -> Found:
    found.sort(key=itemgetter(0))
    found.sort(key=itemgetter(1), reverse=True)  # stable, so that equals stay in the order of their ids
    return found[:k]


def _risen(index: Index, query: Vectors, bar: float, last: float, apart: Set[str], moved: Shift, only: Predicate | None) -> Found:
    """The items that score at least `bar` because of what was added to them; `last` is the most they can have scored before."""
    items, vectors, amounts = moved.falling
    count = len(items) if last == -np.inf else int(np.searchsorted(-amounts, last - bar, side="right"))
    scores = vectors[:count] @ query[0] + amounts[:count]
    high = [(items[place], float(scores[place])) for place in np.flatnonzero(scores >= bar).tolist() if items[place] not in apart]
    if only is None or not high:
        return high
    fitting = set(index.matching([item for item, _ in high], only))
    return [pair for pair in high if pair[0] in fitting]


def _merged(pairs: Found, own: npt.NDArray[Any], items: Sequence[str], apart: Set[str], hidden: Set[str], k: int) -> Found:
    """The k best of what the index returned and of the items scored apart."""
    wanted = min(k + len(hidden), len(own))
    best = np.flatnonzero(own >= np.partition(own, -wanted)[-wanted])
    merged = [pair for pair in pairs if pair[0] not in apart]
    merged += [(items[place], float(own[place])) for place in best.tolist() if items[place] not in hidden]
    return _best(merged, k)


def warm(index: Index) -> None:
    """Ask for what is like some of its items, so that the first answers find in memory what they look at."""
    some = index.first(WARMED)
    for vector in index.vectors(some):
        (found,) = index.search(vector[None, :], len(some))
        index.cards([item for item, _ in found])


def set_traits(index: Index, ids: Sequence[str], ever: Ints, timeline: Timeline, upto: int) -> int:
    """Write into an index how popular some of its items are just after offset `upto`; how many items those are.

    Args:
        ids: items it holds, without duplicates.
        ever: how often each was interacted with up to then; shape (ids,).
        timeline: of all interactions from KEPT before that moment.
    """
    codes = {item: code for code, item in enumerate(timeline.items)}
    met = np.array([codes.get(item, -1) for item in ids], np.int64)
    recent = np.zeros((len(ids), len(WINDOWS)), np.int64)
    recent[met >= 0] = timeline.recent(np.array([upto + 1]), met[met >= 0])[0]
    vectors = index.vectors(ids)
    vectors[:, -WIDTH:] = traits(recent, ever)
    index.overwrite(ids, vectors)
    return len(ids)


def traited(index: Index, written: Sequence[str], timeline: Timeline, upto: int, before: Index, since: int) -> int:
    """Bring the traits of an index from the moment just after offset `since` to that after `upto`; how many items it wrote.

    Args:
        written: items whose vectors were embedded again and so lack traits.
        before: an index with the traits of the earlier moment.
    """
    codes = {item: code for code, item in enumerate(timeline.items)}
    touched = [timeline.items[code] for code in timeline.touched(*sorted((since + 1, upto + 1)))]
    ids = [item for item in dict.fromkeys([*written, *touched]) if item in index]
    known = np.array([item in before for item in ids], np.bool_)
    ever = np.zeros(len(ids), np.int64)
    ever[known] = ever_of(before.vectors([item for item, had in zip(ids, known, strict=True) if had])[:, -WIDTH:])
    met = np.array([codes.get(item, -1) for item in ids], np.int64)
    then, now = timeline.counted(np.array([since + 1, upto + 1]), met[met >= 0])
    ever[met >= 0] += now - then
    return set_traits(index, ids, ever, timeline, upto)
