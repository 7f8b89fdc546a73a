"""Asking a release: newcomers are candidates for as long as it is asked, and popularity is that of the moment."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from ratoon.bench.refreshes.asking import Asked, Opened, answers, embedded, ranks, with_newcomers
from ratoon.domain.embedding import Vectors
from ratoon.domain.popularity import WIDTH, Timeline
from ratoon.domain.release import Metric
from ratoon.domain.schema import TowerSchema
from ratoon.index import FaissIndexes

SCHEMA = TowerSchema("test", (), ())
LIKED = Timeline.of([(1, "v", "a"), (2, "w", "a"), (4, "v", "b"), (5, "w", "b"), (6, "x", "b"), (7, "y", "b")])
"""Offset 3 is no interaction."""


class Axes:
    """Towers that read a vector straight from the rows; what follows it weighs popularity."""

    metric: Metric = "dot"

    def __init__(self, worth: Sequence[float] = ()) -> None:
        self.popularity: Vectors = np.array(worth, np.float32)
        self.dim = 2 + len(worth)

    def weighed(self, popularity: Vectors) -> "Axes":
        return Axes(popularity.tolist())

    def users(self, table: pa.Table) -> Vectors:
        taste = np.array(table.column("vector").to_pylist(), np.float32)
        return np.hstack([taste, np.tile(self.popularity, (len(taste), 1))])

    def items(self, table: pa.Table) -> Vectors:
        made = np.zeros((table.num_rows, self.dim), np.float32)
        made[:, :2] = table.column("vector").to_pylist()
        return made


def items(**vectors: tuple[float, float]) -> pa.Table:
    return pa.table({"item_id": list(vectors), "vector": list(vectors.values())})


def opened(towers: Axes, table: pa.Table, upto: int) -> Opened:
    index = FaissIndexes().empty(towers.dim, towers.metric)
    index.upsert(embedded(towers, table, SCHEMA, LIKED, upto))
    return Opened({}, towers, index, upto)


def asked(wanted: str, offset: int, late: pa.Table | None = None, hidden: Sequence[str] = ()) -> Asked:
    users = pa.table({"user_id": ["u"], "item_id": [wanted], "offset": [offset], "vector": [(1.0, 0.0)]})
    return Asked(users, [set(hidden)], [offset], items() if late is None else late, LIKED)


SHELF = items(a=(0.6, 0.0), b=(0.5, 0.0), c=(0.4, 0.0))


@pytest.mark.parametrize(("wanted", "hidden", "rank"), [("a", (), 0), ("c", (), 2), ("c", ("a",), 1), ("a", ("a",), 3)])
def test_the_wanted_item_has_its_place_among_what_may_be_answered(wanted: str, hidden: Sequence[str], rank: int) -> None:
    """What is hidden does not count, and an item that is not found has the first place after the candidates."""
    assert ranks(opened(Axes(), SHELF, 0), asked(wanted, 8, hidden=hidden), SCHEMA, 3) == [rank]


def test_newcomers_are_there_while_asked_and_not_after() -> None:
    """An item that the release has not seen can be answered, one that it has keeps its vector, and the index is as before."""
    pair = opened(Axes(), SHELF, 0)
    before = pair.index.snapshot()
    late = items(d=(0.9, 0.0), a=(0.0, 0.0))
    assert ranks(pair, asked("d", 8, late), SCHEMA, 3) == [0]
    assert ranks(pair, asked("a", 8, late), SCHEMA, 3) == [1]
    with with_newcomers(pair, asked("a", 8, late), SCHEMA) as ids:
        assert ids == ["d"]
        assert len(pair.index) == 4
    assert pair.index.snapshot() == before
    assert ranks(pair, asked("d", 8), SCHEMA, 3) == [3]


def test_popularity_is_that_of_just_before_the_question() -> None:
    """Whether or not the release knew it: what came after a question does not count for it, what came before it does."""
    worth = [0.5] + [0.0] * (WIDTH - 1)
    for upto in (0, 2, 7):
        pair = opened(Axes(worth), SHELF, upto)
        firsts = [answers(pair, asked("a", offset), 3)[0][0][0] for offset in (1, 3, 5, 7, 8)]
        assert firsts == ["a", "a", "a", "b", "b"], upto


def test_a_release_that_weighs_no_popularity_is_asked_as_it_is() -> None:
    """Without traits, and with traits that are worth nothing, time changes no answer."""
    for towers in (Axes(), Axes([0.0] * WIDTH)):
        pair = opened(towers, SHELF, 2)
        assert {answers(pair, asked("a", offset), 3)[0][0] for offset in (1, 8)} == {answers(pair, asked("a", 3), 3)[0][0]}


def test_what_nobody_has_had_is_marked_so() -> None:
    """The last trait of an item without an interaction up to the offset is 1, and of one with some it is 0."""
    vectors = embedded(Axes([1.0] * WIDTH), SHELF, SCHEMA, LIKED, 2).vectors
    assert vectors[:, -1].tolist() == [0.0, 1.0, 1.0]
    assert vectors[0, 2] == pytest.approx(np.log(3))
