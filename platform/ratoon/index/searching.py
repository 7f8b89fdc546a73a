"""The best items of a few queries: FAISS's answers made whole where it returns too few of them, or too few of equal ones."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.found import Found, best, ranked
from ratoon.index.filters.block import Block
from ratoon.index.filters.matches import Matches
from ratoon.index.filters.narrowing import Narrow, one_by_one, scored
from ratoon.index.items.slots import Rows, Slots
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.scanning import Scored

LONG = 1_024
"""More exclusions of one query than these: then they are not looked at, instead of being left out of a longer answer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asking:
    """Queries at one copy of the lists; `hidden` is left out of what is found, `without` and all but `only` are not looked at."""

    lists: Lists
    slots: Slots
    queries: Vectors
    k: int
    hidden: Sequence[Rows]
    only: Narrow | None = None
    without: Rows | None = None

    def looked_at(self, rows: Rows, depth: int, nprobe: int) -> Scored:
        """The best of some of the queries among the `nprobe` likeliest lists, or among as much of what matches."""
        if self.only is None:
            return self.lists.search(self.queries[rows], depth, nprobe, self.without)
        keys = self.only.keys(self.lists, self.queries[rows], nprobe)
        return self.lists.search(self.queries[rows], depth, keys.shape[1], self.without, self.only.matches.bits, keys)


def searched(
    lists: Lists,
    slots: Slots,
    queries: Vectors,
    k: int,
    nprobe: int,
    exclude: Sequence[Iterable[str]],
    only: Matches | None = None,
    block: Block | None = None,
) -> list[Found]:
    """For each query its k best among the `nprobe` likeliest lists, or among more of them where those have fewer than k.

    Args:
        exclude: a set of item ids per query, or nothing.
        only: the slots that may be found: then as many of them are looked at as vectors are without, see `narrowing`.
        block: the vectors in all of these, if they are kept side by side: then all are looked at.
    """
    if len(queries) == 1 and only is None:
        out = frozenset(exclude[0] if exclude else ())
        near = _alone(lists, slots, queries, k, nprobe, out) if len(out) <= LONG else None
        if near is not None:
            return [near]
    gone = [slots.find(ids) for ids in exclude] or [np.empty(0, np.int64)] * len(queries)
    found: list[Found] = [[] for _ in queries]
    narrow = None
    if only is not None:
        gone = [own[only.has(own)] for own in gone]
        if block is not None:
            return [ranked(slots.ids, *block.best(query, k, out), k) for query, out in zip(queries, gone, strict=True)]
        if one_by_one(lists, only, nprobe, len(queries)):
            return [best(slots.ids, pairs, k) for pairs in scored(lists, only, queries, k, gone)]
        narrow = Narrow.of(only, lists)
    for spare, rows in _alike(gone).items():
        if spare <= LONG:
            asking = _Asking(lists, slots, queries[rows], k, [gone[row] for row in rows], narrow)
            for place, pairs in _answers(asking, spare, nprobe):
                found[rows[place]] = pairs
            continue
        for row in rows:
            asking = _Asking(lists, slots, queries[row : row + 1], k, [gone[row]], narrow, without=gone[row])
            found[row] = next(pairs for _, pairs in _answers(asking, 0, nprobe))
    return found


def _answers(asking: _Asking, spare: int, nprobe: int) -> Iterator[tuple[int, Found]]:
    """Each query's place and answer, in any order; `spare`: how many more to look for, because they may be hidden."""
    lists, k = asking.lists, asking.k
    count = len(lists) if asking.only is None else min(len(lists), asking.only.matches.count)
    rows, depth = np.arange(len(asking.queries)), k + 1 + spare
    while len(rows):
        depth = min(depth, count)
        scores, near = asking.looked_at(rows, max(depth, 1), nprobe)
        again, deeper, wider = [], False, False
        for row, own, slots in zip(rows.tolist(), scores, near, strict=True):
            last, all_seen, hidden = own[-1], bool(slots[-1] < 0), asking.hidden[row]
            if len(hidden) or all_seen:
                kept = (slots >= 0) & ~np.isin(slots, hidden)
                own, slots = own[kept], slots[kept]
            # FAISS breaks ties by where they lie: look deeper until every tie at rank k is in sight.
            tied = not all_seen and depth < count and bool(len(own) < k or own[k - 1] == last)
            short = all_seen and nprobe < lists.nlist and len(own) < min(k, count - len(hidden))
            if tied or short:
                again.append(row)
                deeper, wider = deeper or tied, wider or short
            else:
                yield row, ranked(asking.slots.ids, own, slots, k)
        rows, depth, nprobe = np.array(again, np.int64), depth << deeper, nprobe << wider


def _alone(lists: Lists, slots: Slots, query: Vectors, k: int, nprobe: int, out: Collection[str]) -> Found | None:
    """What `_answers` gives for one query, shape (1, dim); None where one look does not tell.

    A server asks one at a time: to leave items out by their names costs less than to find out where they lie.
    """
    depth = k + 1 + len(out)
    if depth > len(lists):
        return None
    (scores,), (near,) = lists.search(query, depth, nprobe)
    if near[-1] < 0 or not (scores[1:] < scores[:-1]).all():
        return None
    names = slots.ids.take(near)
    kept = [place for place, name in enumerate(names) if name not in out]
    if len(kept) <= k:
        return None
    chosen = np.fromiter(kept, np.int64, k)
    ids = [names[place] for place in kept[:k]]
    slots.shown(ids, near[chosen])
    return list(zip(ids, scores[chosen].tolist(), strict=True))


def _alike(gone: Sequence[Rows]) -> dict[int, list[int]]:
    """How many are excluded, rounded up to a power of two, and the queries for which it is as many."""
    rows: dict[int, list[int]] = {}
    for row, out in enumerate(gone):
        rows.setdefault(1 << max(4, (len(out) - 1).bit_length()) if len(out) else 0, []).append(row)
    return rows
