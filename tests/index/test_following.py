"""An index that becomes what a later snapshot says, by what differs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.domain.predicate import Equals
from ratoon.index import following
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.items.slots import Rows
from ratoon.index.ivf import layout
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.rebuilding import equalise
from ratoon.index.ivf.sides import Sides
from ratoon.ports import Files
from tests.index.mixtures import Mixture, mixture

DIM, COUNT = 16, 600
Copies = Literal[1, 2]


def policy(copies: Copies) -> IndexPolicy:
    return IndexPolicy(exact=100, k=10, copies=copies)


def batch(ids: list[str], vectors: Vectors, **columns: list[object]) -> EmbeddingBatch:
    return EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids, **columns}))


def named(numbers: range) -> list[str]:
    return [f"i{number}" for number in numbers]


def written(made: Mixture, exact: int = 100) -> FaissIndex:
    """The index of whoever refreshes."""
    index = FaissIndex(DIM, "cosine", IndexPolicy(exact=exact, k=10, copies=1))
    index.upsert(batch(named(range(COUNT)), made.items(COUNT), n=list(range(COUNT)), w=["even", "odd"] * (COUNT // 2)))
    index.settle(lambda: made.queries(50))
    return index


def refreshed(index: FaissIndex, made: Mixture) -> Files:
    """A later release: items moved, went and came, columns changed, and lists were mended."""
    index.overwrite(named(range(40, 240)), mixture(9, 3).items(200))
    index.remove(named(range(20)))
    index.upsert(batch(named(range(700, 730)), made.items(30), n=list(range(30)), w=["new"] * 30))
    index.upsert(batch(["i300", "i301"], index.vectors(["i300", "i301"]), n=[-1, None], w=["even", "even"]))
    assert index.upkeep() > 0
    return index.snapshot()


def follow(
    index: FaissIndex, files: Files, showing: Callable[[], None] = lambda: None, without: Callable[[], list[str]] = list
) -> FaissIndex:
    other = index.follow(files, showing, without)
    assert other is not None
    return other


def assert_same(one: FaissIndex, other: FaissIndex, queries: Vectors) -> None:
    """Both hold the same items, vectors and columns in lists that are searched alike."""
    ids = other.ids()
    assert one.ids() == ids
    assert np.array_equal(one.vectors(ids), other.vectors(ids))
    assert one.columns(ids) == other.columns(ids)
    assert one.dial == other.dial
    assert one.search(queries, 10) == other.search(queries, 10)
    assert one.search(queries, 10, only=Equals("w", "new")) == other.search(queries, 10, only=Equals("w", "new"))


def assert_same_in_both(one: FaissIndex, other: FaissIndex, queries: Vectors) -> None:
    """The same of each of its copies: a change makes the other one the copy that is searched."""
    for _ in range(2):
        assert_same(one, other, queries)
        for each in (one, other):
            each.overwrite(["i510"], each.vectors(["i511"]))


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("exact", [100, 10_000])
def test_it_becomes_what_would_be_loaded(copies: Copies, exact: int) -> None:
    """In lists or in one list: the same items, vectors, columns, centroids and answers as of an index that is loaded.

    What was posted and taken away in the meantime, by whoever serves, leaves nothing behind.
    """
    made = mixture(1, 12)
    writer = written(made, exact)
    index = FaissIndex.load(writer.snapshot(), policy(copies))
    index.remove(["i50", "i400"])
    index.upsert(batch(["posted", "i701"], made.items(2), n=[1, 2], w=["even", "odd"]))
    files = refreshed(writer, made) if exact == 100 else _moved(writer)
    other = follow(index, files)
    assert (other is index) == (copies == 1)
    del index
    other.finish()
    loaded, queries = FaissIndex.load(files, policy(copies)), made.queries(40)
    assert_same_in_both(other, loaded, queries)
    assert other.stats()["copies"] == copies


def _moved(index: FaissIndex) -> Files:
    index.overwrite(named(range(100)), index.vectors(named(range(100, 200))))
    index.remove(["i599"])
    return index.snapshot()


def test_the_one_that_is_followed_goes_on() -> None:
    """Until nobody holds it, it answers as before and takes changes, none of which is found in the other."""
    made = mixture(2, 12)
    writer = written(made)
    first = writer.snapshot()
    index, queries = FaissIndex.load(first, policy(2)), made.queries(20)
    files = refreshed(writer, made)
    other = follow(index, files)
    assert_same(index, FaissIndex.load(first, policy(2)), queries)
    index.upsert(batch(["posted"], made.items(1), n=[1], w=["odd"]))
    index.remove(["i500", "i501"])
    other.remove(["i502"])
    assert index.search(index.vectors(["posted"]), 1)[0][0][0] == "posted"
    del index
    other.finish()
    loaded = FaissIndex.load(files, policy(2))
    loaded.remove(["i502"])
    assert_same_in_both(other, loaded, queries)


def test_what_changes_while_the_second_copy_is_taken_is_in_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change between bringing the copy of the followed one forward and pairing it is made in both copies."""
    made = mixture(3, 12)
    writer = written(made)
    index, queries = FaissIndex.load(writer.snapshot(), policy(2)), made.queries(20)
    files = refreshed(writer, made)
    other, loaded = follow(index, files), FaissIndex.load(files, policy(2))
    moved, late = made.items(1), ["i310"]

    def equalised(sides: Sides, into: Lists, slots: Sequence[Rows]) -> None:
        equalise(sides, into, slots)
        if late:
            other.overwrite([late.pop()], moved)

    monkeypatch.setattr(layout, "equalise", equalised)
    del index
    other.finish()
    assert len(late) == 0
    loaded.overwrite(["i310"], moved)
    assert_same_in_both(other, loaded, queries)


def test_somebody_who_never_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one makes a copy of its own then, and whoever holds the first goes on reading what it was."""
    monkeypatch.setattr(following, "PATIENCE", 0.0)
    made = mixture(4, 12)
    writer = written(made)
    first = writer.snapshot()
    index, queries = FaissIndex.load(first, policy(2)), made.queries(20)
    files = refreshed(writer, made)
    other = follow(index, files)
    other.finish()
    assert other.stats()["copies"] == 2
    assert_same(other, FaissIndex.load(files, policy(2)), queries)
    assert_same(index, FaissIndex.load(first, policy(2)), queries)


def test_one_that_is_not_served_after_all() -> None:
    """If the other one is given up, the first has two copies again, equal ones, with what was changed meanwhile."""
    made = mixture(5, 12)
    writer = written(made)
    first = writer.snapshot()
    index, loaded = FaissIndex.load(first, policy(2)), FaissIndex.load(first, policy(2))
    other = follow(index, refreshed(writer, made))
    del other
    index.remove(["i3"])
    index.finish()
    assert index.stats()["copies"] == 2
    loaded.remove(["i3"])
    assert_same_in_both(index, loaded, made.queries(20))


def test_another_layout_has_to_be_loaded() -> None:
    """Lists that were made anew, another codec or another metric share nothing with what is there: nothing is changed."""
    made = mixture(6, 12)
    writer = written(made)
    first = writer.snapshot()
    index = FaissIndex.load(first, policy(2))
    writer.rebuild(queries=made.queries(50))
    dotted = FaissIndex(DIM, "dot", policy(1))
    dotted.upsert(batch(["a"], made.items(1), n=[1], w=["odd"]))
    for files in (writer.snapshot(), dotted.snapshot()):
        assert index.follow(files, lambda: None) is None
    assert_same(index, FaissIndex.load(first, policy(2)), made.queries(20))
    assert index.stats()["copies"] == 2


def test_with_one_copy_it_is_said_before_anything_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """`showing` is called while all is as it was; who was taken away before, or is between two batches, is never seen again."""
    made = mixture(7, 12)
    writer = written(made)
    index, queries = FaissIndex.load(writer.snapshot(), policy(1)), made.queries(20)
    index.remove(["i60"])
    before, files, seen, gone = index.search(queries, 10), refreshed(writer, made), list[object](), ["i60"]
    batches = following.Difference.batches

    def removing(difference: following.Difference) -> Iterator[Rows]:
        for rows in batches(difference):
            seen.append(set(gone) & set(index.ids()))
            yield rows
            if "i230" not in gone:
                gone.append("i230")
                index.remove(["i230"])
                index.remove(["i231"])  # without a word

    monkeypatch.setattr(following, "BATCH", 64)
    monkeypatch.setattr(following.Difference, "batches", removing)
    assert follow(index, files, lambda: seen.append(index.search(queries, 10) == before), lambda: gone) is index
    assert seen[0] is True
    assert seen[1:] == [set()] * (len(seen) - 1)
    assert len(seen) > 3
    loaded = FaissIndex.load(files, policy(1))
    loaded.remove(["i60", "i230", "i231"])
    assert_same(index, loaded, queries)


@pytest.mark.parametrize("column", [[0.5] * 3, [None] * 3, ["x"] * 3])
def test_other_columns_have_to_be_loaded(column: list[object]) -> None:
    """Of another type, another name or without any value: nothing is changed, and nobody is told that anything is shown."""
    index = FaissIndex(DIM, "cosine", policy(1))
    vectors = mixture(1, 2).items(3)
    index.upsert(batch(["a", "b", "c"], vectors, n=[1, 2, 3]))
    other = FaissIndex(DIM, "cosine", policy(1))
    other.upsert(batch(["a", "b", "c"], vectors, n=column))
    renamed = FaissIndex(DIM, "cosine", policy(1))
    renamed.upsert(batch(["a", "b", "c"], vectors, m=[1, 2, 3]))
    for one in (other, renamed):
        assert index.follow(one.snapshot(), pytest.fail) is None
    assert index.columns(["b"]) == {"b": {"n": 2}}


@pytest.mark.parametrize("anew", [True, False])
def test_lists_that_change_before_the_copies_are_two_again(anew: bool) -> None:
    """Whether lists are mended or made anew meanwhile, both copies are equal once the second is there."""
    made = mixture(10, 12)
    writer = written(made)
    index = FaissIndex.load(writer.snapshot(), policy(2))
    other = follow(index, refreshed(writer, made))
    other.overwrite(named(range(300, 400)), mixture(11, 3).items(100))
    if anew:
        other.rebuild(queries=made.queries(30))
    else:
        assert other.upkeep() > 0
    del index
    other.finish()
    assert other.stats()["copies"] == 2
    found, queries = list[object](), made.queries(40)
    for _ in range(2):
        live = other._layout.live
        slots = live.held_slots()
        found.append((live.place(slots).tolist(), live.centroids.tolist(), other.search(queries, 10)))
        other.overwrite(["i510"], other.vectors(["i510"]))
    assert found[0] == found[1]


def test_what_is_asked_often_is_known_at_once() -> None:
    """Predicates that were asked of the one before have been evaluated by the time the other one is there."""
    made = mixture(8, 12)
    writer = written(made)
    index = FaissIndex.load(writer.snapshot(), policy(2))
    index.search(made.queries(1), 10, only=Equals("w", "odd"))
    other = follow(index, refreshed(writer, made))
    assert list(other._filters._matches) == [Equals("w", "odd")]
