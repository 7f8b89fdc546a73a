"""The best items of many queries at once, exactly.

All scores are made, block by block, as matrix products: what may not be answered is struck out and what has moved is added, so
that neither makes anything deeper or dearer to search. Of each block only those scores are kept that may still be among the
best: those that reach what the k-th best certainly reaches by then.
"""

from itertools import pairwise

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.asked import Asked
from ratoon.index.items.slots import Rows

BLOCK, TOGETHER = 4_096, 512
"""Items and queries whose scores are held at once."""

PARTS = 4
"""Parts that the catalogue is cut into, per item that is asked for."""

Best = list[tuple[str, ...]]


def best_of(asked: Asked, k: int) -> Best:
    """The ids of each query's k best items, best first, ties by id; fewer if there are fewer."""
    found: Best = []
    for first in range(0, len(asked.queries), TOGETHER):
        rows = np.arange(first, min(first + TOGETHER, len(asked.queries)))
        found += _ranked(asked, len(rows), *_near(asked, rows, k), k)
    return found


def _near(asked: Asked, rows: Rows, k: int) -> tuple[Rows, Rows, Vectors]:
    """Places in `rows`, items and scores of all items that may be among a query's k best, few others with them."""
    parts = np.full((len(rows), PARTS * k), -np.inf, np.float32)
    least, found = parts[:, 0].copy(), []
    for first in range(0, len(asked.vectors), BLOCK):
        scores = asked.scores(rows, first, min(first + BLOCK, len(asked.vectors)))
        _raise(parts, scores)
        least = np.partition(parts, -k, axis=1)[:, -k]
        # Places in the flat matrix: several times faster to find than pairs of row and column.
        near = np.flatnonzero(scores >= least[:, None])
        found.append((near // scores.shape[1], first + near % scores.shape[1], scores.ravel()[near]))
    places, slots, values = (np.concatenate(column) for column in zip(*found, strict=True)) if found else _nothing()
    kept = (values >= least[places]) & (values > -np.inf)
    return places[kept], slots[kept], values[kept]


def _nothing() -> tuple[Rows, Rows, Vectors]:
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)


def _raise(parts: Vectors, scores: Vectors) -> None:
    """Bring the best score of each part of the catalogue up to date; item after item goes to the next part."""
    count, width = parts.shape
    whole = scores.shape[1] - scores.shape[1] % width
    if whole:
        np.maximum(parts, scores[:, :whole].reshape(count, -1, width).max(axis=1), out=parts)
    rest = parts[:, : scores.shape[1] - whole]
    np.maximum(rest, scores[:, whole:], out=rest)


def _ranked(asked: Asked, count: int, rows: Rows, slots: Rows, values: Vectors, k: int) -> Best:
    distinct, place = np.unique(slots, return_inverse=True)
    names = np.array([asked.item(slot) for slot in distinct.tolist()], object)
    tied = np.empty(len(names), np.int64)
    tied[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    order = np.lexsort((tied[place], -values, rows))
    starts = np.searchsorted(rows[order], np.arange(count + 1))
    ranked = names[place[order]]
    return [tuple(ranked[start : min(stop, start + k)].tolist()) for start, stop in pairwise(starts.tolist())]
