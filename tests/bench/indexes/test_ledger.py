"""The checker of answers finds what was never true, and nothing else."""

import numpy as np
import pytest

from ratoon.bench.indexes.ledger import Ledger
from ratoon.domain.embedding import Vectors
from tests.bench.indexes.vectors import drawn

K = 3


def answer(query: Vectors, vectors: Vectors, rows: list[int]) -> list[tuple[str, float]]:
    return [(f"i{row}", float(vectors[row] @ query)) for row in rows]


@pytest.fixture
def world() -> Vectors:
    return drawn(10)


def test_true_answers_are_counted_and_nothing_is_found(world: Vectors) -> None:
    """Answers with the scores of what is there are checked, and said to be true."""
    ledger = Ledger(world.copy())
    ledger.check(world[0], answer(world[0], world, [0, 1, 2]), K, 1.0, 2.0)
    assert (ledger.checked, ledger.said()) == (1, {})


def test_a_planted_duplicate_is_found(world: Vectors) -> None:
    """The same id twice in one answer."""
    ledger = Ledger(world.copy())
    ledger.check(world[0], answer(world[0], world, [0, 1, 1]), K, 1.0, 2.0)
    assert ledger.said() == {"duplicate": 1}


def test_a_short_answer_is_found(world: Vectors) -> None:
    """Fewer than k, though there are more items; not if there are no more."""
    ledger = Ledger(world.copy())
    ledger.check(world[0], answer(world[0], world, [0, 1]), K, 1.0, 2.0)
    assert ledger.said() == {"short": 1}
    few = Ledger(world.copy())
    few.begin(np.arange(2, 10), None, 0.0)
    few.end(np.arange(2, 10), 0.5)
    few.check(world[0], answer(world[0], world, [0, 1]), K, 1.0, 2.0)
    assert few.said() == {}


def test_a_wrong_score_is_found(world: Vectors) -> None:
    """A score that the item has with neither its vector of now nor with that of before."""
    ledger = Ledger(world.copy())
    ledger.check(world[0], [("i0", 0.123), *answer(world[0], world, [1, 2])], K, 1.0, 2.0)
    assert ledger.said() == {"wrong score": 1}


def test_a_score_is_stale_once_the_change_has_returned(world: Vectors) -> None:
    """Before a change only the old score is true, while it is made both are, and afterwards only the new one."""
    new, query = -world[:1], drawn(20)[15]
    old_one, new_one = answer(query, world, [0, 1, 2]), answer(query, np.concatenate([new, world[1:]]), [0, 1, 2])
    for begun, ended, found, said in (
        (0.0, 0.9, old_one, {}),
        (0.0, 0.9, new_one, {"wrong score": 1}),
        (0.0, 1.5, old_one, {}),
        (1.2, 1.5, new_one, {}),
        (1.9, 2.5, old_one, {}),
        (2.1, 2.5, old_one, {"stale": 1}),
        (2.1, 2.5, new_one, {}),
    ):
        ledger = Ledger(world.copy())
        ledger.begin(np.array([0]), new, 1.0)
        ledger.end(np.array([0]), 2.0)
        ledger.check(query, found, K, begun, ended)
        assert ledger.said() == said, (begun, ended, said)


def test_while_a_change_has_not_returned_both_are_true(world: Vectors) -> None:
    """A call that goes on may be seen or not."""
    ledger = Ledger(world.copy())
    ledger.begin(np.array([0]), -world[:1], 1.0)
    for vectors in (world, np.concatenate([-world[:1], world[1:]])):
        ledger.check(world[4], answer(world[4], vectors, [0, 1, 2]), K, 3.0, 4.0)
    assert ledger.said() == {}


def test_a_removed_id_is_found(world: Vectors) -> None:
    """After its removal has returned an item may not be answered; while it goes on it may; put back it is there again."""
    ledger, found = Ledger(world.copy()), answer(world[0], world, [0, 1, 2])
    ledger.begin(np.array([1]), None, 1.0)
    ledger.check(world[0], found, K, 1.5, 1.6)
    assert ledger.said() == {}
    ledger.end(np.array([1]), 2.0)
    ledger.check(world[0], found, K, 2.5, 2.6)
    assert ledger.said() == {"removed": 1}
    ledger.begin(np.array([1]), world[1:2], 3.0)
    ledger.end(np.array([1]), 4.0)
    ledger.check(world[0], found, K, 4.5, 4.6)
    assert ledger.said() == {"removed": 1}


def test_an_item_that_changed_twice_is_not_judged(world: Vectors) -> None:
    """A search from before both changes may have seen the first vector, which nobody knows any more; one after them may not."""
    ledger, query = Ledger(world.copy()), drawn(20)[15]
    for number, vectors in enumerate((-world[:1], world[5:6])):
        ledger.begin(np.array([0]), vectors, 1.0 + number)
        ledger.end(np.array([0]), 1.5 + number)
    ledger.check(query, answer(query, world, [0, 1, 2]), K, 0.5, 0.9)
    assert ledger.said() == {}
    ledger.check(query, answer(query, world, [0, 1, 2]), K, 2.6, 2.9)
    assert ledger.said() == {"wrong score": 1}
