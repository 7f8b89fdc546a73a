"""A few of the queries that were asked lately, and what they were not to be answered with."""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count

import numpy as np

from ratoon.domain.embedding import Vectors

EVERY, KEPT, LEAST = 50, 100, 20
"""One in so many queries is kept, so many of them, and fewer than the last number tell nothing."""


class Sample:
    """The newest of what was kept. Any number of threads may add to it; each step of theirs is a single one."""

    def __init__(self, dim: int) -> None:
        self._dim = dim
        self._searches, self._kept = count(), deque[tuple[Vectors, tuple[str, ...]]](maxlen=KEPT)

    def add(self, queries: Vectors, exclude: Sequence[Iterable[str]] = ()) -> None:
        """A search was asked these; the first of them is kept now and then."""
        if len(queries) and next(self._searches) % EVERY == EVERY - 1:
            self._kept.append((queries[0].copy(), tuple(exclude[0]) if exclude else ()))

    def asked(self) -> tuple[Vectors, list[tuple[str, ...]]]:
        """What is kept: queries, shape (n, dim), and the n ids that each excluded."""
        kept = list(self._kept)
        return np.array([query for query, _ in kept], np.float32).reshape(-1, self._dim), [out for _, out in kept]
