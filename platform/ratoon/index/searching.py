"""The best items of a few queries: FAISS's answers made whole where it returns too few of them, or too few of equal ones."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.found import Found, best
from ratoon.index.lists import Lists
from ratoon.index.slots import Rows, Slots

LONG = 1_024
"""More exclusions of one query than these: then they are not looked at, instead of being left out of a longer answer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asking:
    """Queries at one copy of the lists; `hidden` are left out of what is found, `without` are not looked at."""

    lists: Lists
    slots: Slots
    queries: Vectors
    k: int
    hidden: Sequence[Rows]
    without: Rows | None = None


def searched(lists: Lists, slots: Slots, queries: Vectors, k: int, nprobe: int, exclude: Sequence[Iterable[str]]) -> list[Found]:
    """For each query its k best among the `nprobe` likeliest lists, or among more of them where those have fewer than k.

    Args:
        exclude: a set of item ids per query, or nothing.
    """
    gone = [slots.find(ids) for ids in exclude] or [np.empty(0, np.int64)] * len(queries)
    found: list[Found] = [[] for _ in queries]
    for spare, rows in _alike(gone).items():
        if spare <= LONG:
            asking = _Asking(lists, slots, queries[rows], k, [gone[row] for row in rows])
            for place, pairs in _answers(asking, spare, nprobe):
                found[rows[place]] = pairs
            continue
        for row in rows:
            asking = _Asking(lists, slots, queries[row : row + 1], k, [gone[row]], without=gone[row])
            found[row] = next(pairs for _, pairs in _answers(asking, 0, nprobe))
    return found


def _answers(asking: _Asking, spare: int, nprobe: int) -> Iterator[tuple[int, Found]]:
    """Each query's place and answer, in any order; `spare`: how many more to look for, because they may be hidden."""
    lists, k, count = asking.lists, asking.k, len(asking.lists)
    rows, depth = np.arange(len(asking.queries)), k + 1 + spare
    while len(rows):
        depth = min(depth, count)
        scores, near = lists.search(asking.queries[rows], max(depth, 1), nprobe, asking.without)
        again: dict[int, None] = {}
        deeper = wider = False
        for row, own, slots in zip(rows.tolist(), scores.tolist(), near.tolist(), strict=True):
            pairs = _first(own, slots, k, set(asking.hidden[row].tolist()))
            # FAISS breaks ties by where they lie: look deeper until every tie at rank k is in sight.
            tied = slots[-1] >= 0 and depth < count and (len(pairs) < k or pairs[-1][1] == own[-1])
            short = slots[-1] < 0 and nprobe < lists.nlist and len(pairs) < min(k, count - len(asking.hidden[row]))
            if tied or short:
                again[row], deeper, wider = None, deeper or tied, wider or short
            else:
                yield row, best(asking.slots.ids, pairs, k)
        rows, depth, nprobe = np.array(list(again), np.int64), depth << deeper, nprobe << wider


def _alike(gone: Sequence[Rows]) -> dict[int, list[int]]:
    """How many are excluded, rounded up to a power of two, and the queries for which it is as many."""
    rows: dict[int, list[int]] = {}
    for row, out in enumerate(gone):
        rows.setdefault(1 << max(4, (len(out) - 1).bit_length()) if len(out) else 0, []).append(row)
    return rows


def _first(scores: Sequence[float], slots: Sequence[int], k: int, gone: Set[int]) -> list[tuple[int, float]]:
    """Of pairs with falling scores the first k that are not gone, and all that tie with the last of them."""
    found: list[tuple[int, float]] = []
    for slot, score in zip(slots, scores, strict=True):
        if slot < 0 or (len(found) >= k and score < found[-1][1]):
            break
        if slot not in gone:
            found.append((slot, score))
    return found
