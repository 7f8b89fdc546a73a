"""A runbook over the index: what is there is what the steps say, and answers are judged against just that."""

import numpy as np
import pytest

from ratoon.bench.indexes.mixture import Mixture
from ratoon.bench.indexes.replaying import Replay, replay
from ratoon.bench.indexes.runbooks import Runbook, Step
from tests.bench.indexes.vectors import DIM, drawn


def replaying(*, mending: bool = True) -> Replay:
    return Replay(drawn(400), Mixture(DIM).queries(20), drawn(20), mending=mending)


def test_small_worlds_are_answered_exactly() -> None:
    """Inserted, replaced and deleted items are judged by what they are now: an exact index has recall 1 after every step."""
    playing, ids = replaying(), range(300)
    for step in (
        Step("insert", ids, ids),
        Step("replace", range(10), range(300, 310)),
        Step("delete", range(200, 250), range(200, 250)),
    ):
        playing.play(step)
        playing.play(Step("search"))
    assert playing.replayed.recalls == [1.0, 1.0, 1.0]
    assert playing.replayed.most == 300
    assert set(playing.replayed.seconds) == {"insert", "replace", "delete", "upkeep", "search"}


def test_an_answer_that_is_not_the_best_costs_recall() -> None:
    """An index that lacks half of what the runbook has inserted does not reach it, and the recall says so."""
    playing = replaying()
    playing.play(Step("insert", range(300), range(300)))
    playing._index.remove([f"i{row}" for row in range(150)])
    playing.play(Step("search"))
    assert playing.replayed.recall < 0.75


def test_a_search_of_nothing_is_no_search() -> None:
    """Before the first item, and after a range that scaling has made vanish, there is nothing to judge."""
    playing = replaying()
    playing.play(Step("insert", range(0), range(0)))
    playing.play(Step("search"))
    assert playing.replayed.recalls == []


@pytest.mark.parametrize("mending", [True, False])
def test_lists_are_kept_up(mending: bool) -> None:
    """In lists, with whole regions coming and going, recall stays near its target."""
    inserts = [Step("insert", range(at, at + 1_500), range(at, at + 1_500)) for at in range(0, 6_000, 1_500)]
    steps = [step for insert in inserts for step in (insert, Step("search"))]
    book = Runbook("regions", "set", (*steps, Step("delete", range(1_500), range(1_500)), Step("search")))
    played = replay(book, DIM, lambda *_: None, mending=mending)
    assert len(played.recalls) == 5
    assert played.recall > 0.85
    assert np.min(played.recalls) > 0.7
