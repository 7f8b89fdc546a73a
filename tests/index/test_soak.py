"""Readers, a writer, upkeep, rebuilds and snapshots at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ratoon.domain.dial import IndexPolicy
from ratoon.index.faiss_cpu import FaissIndex
from tests.index.soaking import DIM, K, Soak, histogram


def soaked(copies: Any, seconds: float) -> Soak:
    """So long of everything at once."""
    soak = Soak(FaissIndex(DIM, "dot", IndexPolicy(copies=copies)))
    soak.run(seconds)
    assert soak.wrong[:5] == []
    assert set(soak.rounds) == {"_write", "_read", "_mend", "_lay_out", "_keep"}
    assert len(soak.seconds) > 100
    return soak


@pytest.mark.parametrize("copies", [1, 2])
def test_nothing_is_wrong_in_between(copies: int) -> None:
    """No answer has an item twice, too few, one with another's or an older vector, or one that was gone; nor has a snapshot."""
    soak = soaked(copies, 1.5)
    ids = soak.index.ids()
    now = [soak.written[int(item[1:])][-1] for item in ids]
    assert np.array_equal(soak.index.vectors(ids), np.array(now))
    assert soak.index.stats()["copies"] == copies


@pytest.mark.soak
@pytest.mark.parametrize("copies", [1, 2])
def test_nothing_is_wrong_for_long(copies: int, record_property: Callable[[str, object], None]) -> None:
    """The same for five minutes each; how long searches took is drawn."""
    soak = soaked(copies, 300.0)
    record_property("picture", f"{copies} copies, {len(soak.seconds):,} searches, {soak.rounds}\n{histogram(soak.seconds)}")


def test_a_wrong_answer_is_seen() -> None:
    """The check itself: a stale score, an item twice, one too few, and one that was taken away before."""
    soak = Soak(FaissIndex(DIM, "dot"))
    soak.put(np.random.default_rng(1), np.arange(K))
    query = np.ones(DIM, np.float32)
    right = [(f"i{number}", float(query @ _last(soak, number))) for number in range(K)]
    soak.check(query, right, soak.told)
    assert soak.wrong == []
    stale = right[0][1]
    soak.put(np.random.default_rng(2), np.arange(1))
    soak.check(query, right, soak.told)
    assert soak.wrong.pop() == f"i0 scored {stale}, which none of its 1 vectors gives"
    right[0] = ("i0", float(query @ _last(soak, 0)))
    soak.check(query, [*right[:-1], right[0]], soak.told)
    assert soak.wrong.pop() == "20 items, 19 of them different"
    soak.check(query, right[:-1], soak.told)
    assert soak.wrong.pop() == "19 items, 19 of them different"
    soak.written[3].append(None)
    soak.told[3] += 1
    soak.check(query, right, soak.told)
    assert "which none of its 0 vectors gives" in soak.wrong.pop()


def _last(soak: Soak, number: int) -> np.ndarray:
    vector = soak.written[number][-1]
    assert vector is not None
    return vector


def test_the_picture_has_a_bar_for_what_is_frequent() -> None:
    """The longest bar is where most searches are."""
    drawn = histogram([0.00015] * 30 + [0.003] * 10).splitlines()
    assert drawn[1].count("#") == 60
    assert drawn[5].count("#") == 20
    assert drawn[1].endswith(" 30")
