"""Many searches at once: each gets what it would get alone, and for that it is proven that enough was looked at.

The best by rough scores are scored again exactly. If the k-th of them is ahead of all that a row further down can have, nothing
is missing. Otherwise every row is fetched whose rough score does not rule it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.found import Found, ranked
from ratoon.index.filters.matches import Matches
from ratoon.index.gpu.looking import Field, Posed
from ratoon.index.gpu.matrix import Matrix
from ratoon.index.items.names import Names
from ratoon.index.items.slots import Rows

SPARE = 28
"""So many more than k are scored again: k = 100 makes 128, and far fewer than these are ever closer than rounding."""

TOGETHER = 512
"""Queries in one product of matrices."""

ALIKE = 128
"""All that want so many or fewer go together; beyond that those whose numbers are within a power of two."""

NARROW = 8
"""Where fewer than one row in so many matches a filter, the matching rows are copied and the others not looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """One search, its ids looked up.

    Attributes:
        queries: shape (n, dim).
        gone: for each query the slots that are no answer.
        only: the slots that may be found; None: all.
    """

    queries: Vectors
    k: int
    gone: Sequence[Rows]
    only: Matches | None


def answered(matrix: Matrix, names: Names, searches: Sequence[Search]) -> list[list[Found]]:
    """For each search, for each of its queries, its k best, best first, ties by id."""
    found: list[list[Found]] = [[[] for _ in search.queries] for search in searches]
    alike: dict[tuple[int, int], list[int]] = {}
    for place, search in enumerate(searches):
        alike.setdefault((id(search.only), max(search.k - 1, ALIKE - 1).bit_length()), []).append(place)
    for places in alike.values():
        only = searches[places[0]].only
        if only is not None and not only.count:
            continue
        field = _field(matrix, only)
        rows = [(place, row) for place in places for row in range(len(searches[place].queries))]
        for first in range(0, len(rows), TOGETHER):
            some = rows[first : first + TOGETHER]
            queries = np.stack([searches[place].queries[row] for place, row in some])
            gone = [searches[place].gone[row] for place, row in some]
            ks = np.array([searches[place].k for place, _ in some])
            for (place, row), own in zip(some, _best(field, names, queries, ks, gone), strict=True):
                found[place][row] = own
    return found


def _field(matrix: Matrix, only: Matches | None) -> Field:
    if only is None:
        return Field.of(matrix)
    bytes_ = only.count * matrix.dim * matrix.rows.itemsize
    if only.count * NARROW <= matrix.width and bytes_ <= matrix.place.budget:
        return Field.of(matrix, slots=np.sort(only.all))
    return Field.of(matrix, bits=only.bits)


def _best(field: Field, names: Names, queries: Vectors, ks: Rows, gone: Sequence[Rows]) -> list[Found]:
    posed = Posed.of(field, queries, gone)
    depth = min(int(ks.max()) + SPARE, max(len(field.rows), 1))
    rough, rows = posed.best(depth)
    there = rough > -np.inf
    scores: Vectors = np.full((len(ks), depth), -np.inf, np.float32)
    scores[there] = posed.exact(np.nonzero(there)[0], rows[there])
    order = np.argsort(-scores, axis=1, kind="stable")
    scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    kth = scores[np.arange(len(ks)), np.minimum(ks, depth) - 1]
    more = there[:, -1] & (depth < len(field.rows))
    doubt = np.flatnonzero(more & (kth.astype(np.float64) * posed.scale <= rough[:, -1] + posed.slack))
    counts = np.count_nonzero((scores >= kth[:, None]) & (scores > -np.inf), axis=1)
    found = _ordered(names, scores, field.named(rows), counts, ks)
    if len(doubt):
        for query, own in zip(doubt.tolist(), _again(posed, names, doubt, kth[doubt], ks[doubt]), strict=True):
            found[query] = own
    return found


def _ordered(names: Names, scores: Vectors, slots: Rows, counts: Rows, ks: Rows) -> list[Found]:
    """The k best of each row's first `counts`, whose scores fall: ids are compared only where scores are equal."""
    width = scores.shape[1]
    inside = np.arange(1, width) < counts[:, None]
    tied = ((scores[:, 1:] == scores[:, :-1]) & inside).any(axis=1)
    ids, told = names.take(slots.ravel()), scores.tolist()
    found = []
    for row, (count, k, equal) in enumerate(zip(counts.tolist(), ks.tolist(), tied.tolist(), strict=True)):
        if equal:
            found.append(ranked(names, scores[row, :count], slots[row, :count], k))
        else:
            found.append(list(zip(ids[row * width : row * width + min(count, k)], told[row], strict=False)))
    return found


def _again(posed: Posed, names: Names, doubt: Rows, kth: Vectors, ks: Rows) -> list[Found]:
    """The answers to queries of which it is not proven that enough was looked at."""
    places, rows = posed.reaching(doubt, kth.astype(np.float64))
    scores = posed.exact(doubt[places], rows)
    order = np.lexsort((-scores, places))
    starts = np.searchsorted(places[order], np.arange(len(doubt) + 1))
    found = []
    for place, k in enumerate(ks.tolist()):
        own = order[starts[place] : starts[place + 1]]
        own = own[scores[own] >= scores[own[k - 1]]]
        found.append(ranked(names, scores[own], posed.field.named(rows[own]), k))
    return found
