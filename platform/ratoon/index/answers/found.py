"""What a search answers."""

from collections.abc import Iterable
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.items.names import Names

Found = list[tuple[str, float]]
"""Item ids and scores, best first, ties by id."""


def best(ids: Names, scored: Iterable[tuple[int, float]], k: int) -> Found:
    """The k best of the given slots and their scores."""
    found = sorted(((ids[slot], score) for slot, score in scored), key=itemgetter(0))
    found.sort(key=itemgetter(1), reverse=True)  # stable, so that equals stay in the order of their ids
    return found[:k]


def ranked(ids: Names, scores: Vectors, slots: npt.NDArray[np.int64], k: int) -> Found:
    """The k best of slots whose scores fall, shape (n,) each."""
    top = scores[: k + 1]
    if (top[1:] < top[:-1]).all():
        return list(zip(ids.take(slots[:k]), top[:k].tolist(), strict=True))
    pairs = list(zip(ids.take(slots), scores.tolist(), strict=True))
    pairs.sort(key=itemgetter(0))
    pairs.sort(key=itemgetter(1), reverse=True)  # stable, so that equals stay in the order of their ids
    return pairs[:k]
