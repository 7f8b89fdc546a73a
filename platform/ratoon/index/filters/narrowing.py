"""Looking among few: how a search goes that may find only some of the vectors.

Without a filter the share `nprobe / lists` of the vectors is looked at. With one, lists are looked at, the likeliest first,
until the matching vectors in them are MARGIN times as many, whether matches lie everywhere or close together; where all that
are known of have been, the search is exact. Where the matches lie is estimated from a sample of their slots, which is looked up
in the lists of the moment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.scores import exact_scores
from ratoon.index.filters.matches import Matches
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.lists import Lists

LOOKED_UP = 4_096
"""Matching slots whose lists are looked up for an estimate."""

MARGIN = 4.0
"""As many matching vectors are looked at, where an unfiltered search looks at one. What is best among the matches lies further
from the query than what is best of all, and lies in more lists. Measured where half match, these being whole clusters, of
20,000 and 60,000 vectors with a recall of 0.96 unfiltered: at 1, 0.84; at 3, 0.93; at 4, 0.96; and more everywhere else."""

TEST, SCORE, RANK = 6.0, 1.0, 125.0
"""Nanoseconds: to pass over a vector that does not match; to score one that does, per dimension, alone among others that do not
(where most match it takes a fifth); to rank a list."""

FETCH = {"flat": 100.0, "fp16": 1_600.0, "sq8": 1_600.0, "sq4": 100.0}
"""Nanoseconds to fetch one vector from wherever it lies; FAISS decodes slowly one at a time."""

NUMBER, CHOICE = 0.15, 80_000.0
"""Nanoseconds: to multiply and add one number of vectors that lie side by side, .09 from a cache and .24 from memory; to choose
the best of the scores."""


def side_by_side(lists: Lists, only: Matches, nprobe: int) -> bool:
    """Whether to keep the matching vectors side by side pays: all of them are scored faster than matches are found otherwise."""
    scan, fetch = _costs(lists, only, nprobe, 1)
    return bool(CHOICE + only.count * NUMBER * lists.dim < min(scan, fetch))


def one_by_one(lists: Lists, only: Matches, nprobe: int, queries: int) -> bool:
    """Whether it is cheaper to fetch every match and score it than to scan lists: so it is where few match.

    Fetching costs FETCH per match once and a SCORE per match and query. Scanning costs a RANK per
    list and query, a SCORE per vector that matches and a TEST per vector passed on the way to as many as are wanted: the share
    `nprobe / lists` of all divided by the share that matches. Constants: measured on one core of 2026, a million vectors of
    68 dimensions of which 1 % to half match; ten times off in one of them moves the border, and neither way finds less.
    """
    scan, fetch = _costs(lists, only, nprobe, queries)
    return bool(fetch < scan)


def _costs(lists: Lists, only: Matches, nprobe: int, queries: int) -> tuple[float, float]:
    """Nanoseconds to scan lists for matches, and to fetch and score each of them."""
    count: int = len(lists)
    wanted = min(MARGIN * count * nprobe / lists.nlist, only.count)
    passed = count * wanted / max(only.count, 1)
    scan = lists.nlist * RANK * (lists.nlist > 1) + passed * TEST + wanted * SCORE * lists.dim
    fetch = only.count * (FETCH[lists.codec] + queries * SCORE * lists.dim)
    return float(queries * scan), float(fetch)


def scored(lists: Lists, only: Matches, queries: Vectors, k: int, gone: Sequence[Rows]) -> Iterator[list[tuple[int, float]]]:
    """For each query the slots and exact scores of its k best matches and of all that tie with the last of them."""
    slots = only.all
    slots = slots[lists.has(slots)]
    scores = exact_scores(queries, lists.vectors(slots)) if len(slots) else np.empty((len(queries), 0), np.float32)
    for own, out in zip(scores, gone, strict=True):
        left = ~np.isin(slots, out)
        near, found = slots[left], own[left]
        if k < len(found):
            best = found >= np.partition(found, -k)[-k]
            near, found = near[best], found[best]
        yield list(zip(near.tolist(), found.tolist(), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Narrow:
    """What matches, and where.

    Attributes:
        there: of a sample of the matches, how many lie in each list; shape (lists,).
        part: of the matches, that the sample is.
    """

    matches: Matches
    there: Rows
    part: float

    @classmethod
    def of(cls, matches: Matches, lists: Lists) -> "Narrow":
        """Where the matches lie in these lists now."""
        some = matches.listed[:: 1 + len(matches.listed) // LOOKED_UP]
        placed = lists.place(some[lists.has(some)])
        return cls(matches, np.bincount(placed, minlength=lists.nlist), len(some) / max(matches.count, 1))

    def keys(self, lists: Lists, queries: Vectors, nprobe: int) -> Rows:
        """The lists to look at for each query, -1 for none: as many as hold the wanted number of matches; shape (queries, n)."""
        if nprobe >= lists.nlist:
            return np.tile(np.arange(lists.nlist), (len(queries), 1))
        wanted = MARGIN * len(lists) * nprobe / lists.nlist * self.part
        order = lists.nearest_first(queries)
        before = np.cumsum(self.there[order], axis=1) - self.there[order]
        # A list of which the sample says that it is empty is so for certain only if the sample is everything.
        looked = (before < wanted) & ((self.there[order] > 0) | (self.part < 1))
        keys = np.where(looked, order, -1)
        return np.ascontiguousarray(keys[:, : max(1, int(looked.any(axis=0).nonzero()[0].max(initial=0)) + 1)])
