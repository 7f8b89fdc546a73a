"""What an answer may hold while items are changed: the bookkeeping that finds answers that were never true.

A change may become visible from the moment it is handed over; once the call has returned nobody may see what was before. So
each item has what it is, what it was, and when that change began and ended. Of an item that was changed twice since a search
began a score cannot be judged; where items are changed in turn that is rare.
"""

from collections import Counter
from collections.abc import Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

from ratoon.bench.indexes.truth import ROUNDING
from ratoon.domain.embedding import Vectors

Rows = npt.NDArray[np.int64]

DUPLICATE, SHORT, REMOVED = "duplicate", "short", "removed"
STALE, WRONG, UNSEEN, FAILED = "stale", "wrong score", "unseen", "failed"


class Ledger:
    """What is true of the items `i0`, `i1` and so on, and what was found to be untrue of answers.

    Args:
        vectors: of the items; changed here. An item that is not there has NaN. Shape (items, dim).
    """

    def __init__(self, vectors: Vectors) -> None:
        self._now, self._before = vectors, vectors.copy()
        self._began = np.full(len(vectors), -np.inf)
        self._ended = np.full(len(vectors), -np.inf)
        self._earlier = np.full(len(vectors), -np.inf)  # when the change before that one ended
        self._lock, self._present = Lock(), len(vectors)
        self.checked = 0
        self.untrue: Counter[str] = Counter()

    def begin(self, rows: Rows, vectors: Vectors | None, now: float) -> None:
        """These items are about to become something else, or to go.

        Args:
            rows: without duplicates.
            now: seconds of the clock by which answers are timed too.
        """
        with self._lock:
            there = int(np.isfinite(self._now[rows, 0]).sum())
            self._before[rows] = self._now[rows]
            self._now[rows] = np.nan if vectors is None else vectors
            self._earlier[rows], self._began[rows], self._ended[rows] = self._ended[rows], now, np.inf
            if vectors is None:
                self._present -= there

    def end(self, rows: Rows, now: float) -> None:
        """The call has returned."""
        with self._lock:
            self._ended[rows] = now
            came = np.isfinite(self._now[rows, 0]) & ~np.isfinite(self._before[rows, 0])
            self._present += int(came.sum())

    def check(self, query: Vectors, found: Sequence[tuple[str, float]], k: int, begun: float, ended: float) -> None:
        """Count what is untrue of the answer to one query.

        Args:
            query: shape (dim,).
            begun, ended: when the search was called and when it returned.
        """
        rows = np.array([int(item[1:]) for item, _ in found], np.int64)
        scores = np.array([score for _, score in found], np.float32)
        with self._lock:
            short = len(found) < min(k, self._present)
            now, before = self._now[rows] @ query, self._before[rows] @ query
            old, new, twice = self._began[rows] < ended, self._ended[rows] <= begun, self._earlier[rows] > begun
        is_now, is_before = np.abs(scores - now) <= ROUNDING, np.abs(scores - before) <= ROUNDING
        # `old`: the change had begun before the answer was complete. `new`: it had ended before it was asked for.
        true = np.where(new, is_now, np.where(old, is_now | is_before, is_before)) | twice
        gone = new & np.isnan(now)
        self.checked += 1
        self.untrue[DUPLICATE] += len(np.unique(rows)) < len(rows)
        self.untrue[SHORT] += short
        self.untrue[REMOVED] += bool(gone.any())
        self.untrue[STALE] += bool((~true & new & is_before & ~gone).any())
        self.untrue[WRONG] += bool((~true & ~gone & ~(new & is_before)).any())

    def said(self) -> dict[str, int]:
        """What was untrue, and how often; empty if all was true."""
        return {what: count for what, count in self.untrue.items() if count}
