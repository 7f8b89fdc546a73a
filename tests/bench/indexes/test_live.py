"""One searcher and one writer: everything is checked, and what lies is found out."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from ratoon.bench.indexes.ledger import Ledger
from ratoon.bench.indexes.live import Stream, live
from ratoon.bench.indexes.mixture import MOVED, Mixture
from ratoon.domain.embedding import Vectors
from ratoon.index.answers.found import Found
from ratoon.index.faiss_cpu import FaissIndex
from tests.bench.indexes.vectors import DIM, drawn, index_of

ITEMS, K = 2_000, 10


def moved() -> np.ndarray[tuple[int, int], np.dtype[np.float16]]:
    return np.concatenate(list(Mixture(DIM).vectors(ITEMS, MOVED))).astype(np.float16)


def test_a_sound_index_says_nothing_untrue() -> None:
    """While items are overwritten, taken out and put back, every answer is true, every change is seen, and all are back."""
    vectors = drawn(ITEMS)
    index, ledger = index_of(vectors), Ledger(vectors.copy())
    lived = live(index, ledger, moved(), Mixture(DIM).queries(50), Stream(5_000, batch=32), K, 400, check=True)
    assert ledger.said() == {}
    assert ledger.checked == len(lived.searches) == 400
    assert lived.looked == len(lived.changes) > 0
    assert lived.written > 0
    assert len(index) == ITEMS


def test_without_a_stream_nothing_is_written() -> None:
    """An idle index is only asked."""
    vectors = drawn(ITEMS)
    lived = live(index_of(vectors), Ledger(vectors.copy()), moved(), Mixture(DIM).queries(50), Stream(0), K, 20, check=True)
    assert (lived.written, lived.changes, len(lived.searches)) == (0, [], 20)


def test_what_is_timed_need_not_be_checked() -> None:
    """Without checks every search is timed and every change looked for, and no answer is judged."""
    vectors = drawn(ITEMS)
    index, ledger = index_of(vectors), Ledger(vectors.copy())
    lived = live(index, ledger, moved(), Mixture(DIM).queries(50), Stream(5_000, batch=32), K, 400, check=False)
    assert (ledger.checked, len(lived.searches)) == (0, 400)
    assert lived.looked == len(lived.changes) > 0


def test_items_that_are_away_are_left_alone() -> None:
    """Where a round over all items is shorter than an absence, nothing is overwritten that is not there."""
    vectors = drawn(300)
    index, ledger = index_of(vectors), Ledger(vectors.copy())
    live(index, ledger, moved()[:300], Mixture(DIM).queries(50), Stream(100_000, batch=100), K, 500, check=True)
    assert (ledger.said(), len(index)) == ({}, 300)


class Forgetful(FaissIndex):
    """Says that it has written, and has not."""

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        assert len(ids) == len(vectors)

    def remove(self, ids: Iterable[str]) -> int:
        return len(list(ids))


def test_changes_that_were_not_made_are_found_out() -> None:
    """An index that drops writes answers stale scores and removed ids, and is caught at both."""
    vectors = drawn(ITEMS)
    index, ledger = index_of(vectors), Ledger(vectors.copy())
    index.__class__ = Forgetful
    live(index, ledger, moved(), vectors[:200], Stream(20_000, batch=200), K, 2_000, check=True)
    assert ledger.untrue["stale"] > 0
    assert ledger.untrue["unseen"] > 0


class Broken(FaissIndex):
    """Fails."""

    def search(self, *asked: Any, **how: Any) -> list[Found]:
        raise RuntimeError(f"{asked}, {how}")

    def overwrite(self, ids: Sequence[str], vectors: Vectors) -> None:
        raise RuntimeError(f"cannot write {len(ids)} of {vectors.shape}")


def test_failures_are_not_swallowed() -> None:
    """A search that raises is counted; what the writer raised is raised where the measurement is asked for."""
    vectors = drawn(ITEMS)
    index, ledger = index_of(vectors), Ledger(vectors.copy())
    index.__class__ = Broken
    live(index, ledger, moved(), vectors[:5], Stream(0), K, 7, check=True)
    assert ledger.said() == {"failed": 7}
    with pytest.raises(RuntimeError, match="cannot write 8 of"):
        live(index, ledger, moved(), vectors[:5], Stream(1_000_000, batch=8), K, 3_000, check=True)
