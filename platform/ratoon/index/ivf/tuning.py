"""How many lists a query has to look into, found by asking."""

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.sides import Sides

BLOCK, FEW = 4_096, 16
"""Vectors scored at once, and queries that search at once: a change waits for as long as they take."""

SLACK = 4e-6
"""Float32 keeps about seven digits of a sum, in whatever order."""


def probes_for(sides: Sides, queries: Vectors, k: int, recall: float) -> tuple[int, float]:
    """The fewest lists of which a search finds its share of the exact top k, and that share.

    The mean over the queries, less its standard error, must reach `recall`; if looking into every list does not do it, that is
    the answer.

    Args:
        queries: shape (n, dim).
    """
    if not len(sides.live) or not len(queries):
        return 1, 1.0
    least, most = _least(sides, queries, k), sides.live.nlist
    probes, found = 1, _found(sides, queries, k, 1, least)
    while not _enough(found, recall) and probes < most:
        probes = min(2 * probes, most)
        found = _found(sides, queries, k, probes, least)
    low = probes // 2  # not enough, or none
    while probes - low > 1:
        middle = (low + probes) // 2
        shares = _found(sides, queries, k, middle, least)
        if _enough(shares, recall):
            probes, found = middle, shares
        else:
            low = middle
    return probes, float(found.mean())


def share_of(sides: Sides, queries: Vectors, k: int, probes: int) -> tuple[float, float]:
    """The mean share of the exact top k that is found in so many lists, and its standard error; queries of shape (n, dim)."""
    if not len(sides.live) or not len(queries):
        return 1.0, 0.0
    shares = _found(sides, queries, k, probes, _least(sides, queries, k))
    return float(shares.mean()), float(shares.std() / np.sqrt(len(shares)))


def _enough(shares: npt.NDArray[np.float64], recall: float) -> bool:
    return float(shares.mean() - shares.std() / np.sqrt(len(shares))) >= recall


def _found(sides: Sides, queries: Vectors, k: int, probes: int, least: Vectors) -> npt.NDArray[np.float64]:
    """Of each query the share of its exact top k that a search finds."""
    shares = []
    for first in range(0, len(queries), FEW):
        few = slice(first, first + FEW)
        with sides.reading() as lists:
            wanted = max(1, min(k, len(lists)))
            scores, slots = lists.search(queries[few], wanted, probes)
        shares.append(np.count_nonzero((scores >= least[few, None]) & (slots >= 0), axis=1) / wanted)
    return np.concatenate(shares)


def _least(sides: Sides, queries: Vectors, k: int) -> Vectors:
    """The score of each query's k-th best item, less what rounding may take; shape (queries,)."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    numbers = list(range(sides.live.nlist))
    while numbers:
        with sides.reading() as lists:
            scores = queries @ _block(lists, numbers).T
        both = np.concatenate([best, scores], axis=1)
        best = -np.partition(-both, k - 1, axis=1)[:, :k]
    last: Vectors = best.min(axis=1, where=np.isfinite(best), initial=np.inf)
    return np.asarray(last - SLACK * np.maximum(1, np.abs(last)), np.float32)


def _block(lists: Lists, numbers: list[int]) -> Vectors:
    """The vectors of the next lists, about BLOCK of them; their numbers are taken from `numbers`."""
    parts, size = [], 0
    while numbers and size < BLOCK:
        codes = lists.entries(numbers.pop())[1]
        parts.append(lists.decoded(codes))
        size += len(codes)
    return np.concatenate(parts)
