"""Readers and a writer at one or two copies."""

import threading

import numpy as np
import pytest

from ratoon.domain.dial import Dial
from ratoon.index.ivf.centroids import shape_for
from ratoon.index.ivf.lists import Lists
from ratoon.index.ivf.sides import Sides


def lists() -> Lists:
    """An empty list of vectors of length 2."""
    return Lists(shape_for(Dial(), np.empty((0, 2), np.float32)))


def put(side: Lists, slot: int) -> None:
    """Write a vector into a slot."""
    vectors = np.ones((1, 2), np.float32)
    side.put(np.array([slot]), np.zeros(1, np.int64), side.encoded(vectors))


def test_with_two_copies_nobody_waits() -> None:
    """While somebody reads, a change is made in the other copy and is there for whoever comes next; the call returns.

    Only the next change waits for that reader, and then both copies have the first.
    """
    first, left = lists(), list[str]()
    sides = Sides(first, lists())
    with sides.reading() as side:
        sides.change(lambda side: put(side, 3), lambda: left.append("first"))
        with sides.reading() as other:
            assert len(other) == 1
        writer = threading.Thread(target=sides.change, args=(lambda side: put(side, 4),))
        writer.start()
        writer.join(0.05)
        assert writer.is_alive()
        assert len(side) == 0
        assert not left
    writer.join(20)
    assert left == ["first"]
    assert sides.live is first
    assert len(first) == 2


def test_settling_makes_both_copies_equal() -> None:
    """Once the copies are settled the second one has all changes, and a change that was made in both is kept no longer."""
    sides, made = Sides(lists(), lists()), list[Lists]()

    def change(side: Lists) -> None:
        put(side, 3)
        made.append(side)

    sides.change(change)
    assert len(made) == 1
    sides.settle()
    sides.settle()
    assert [len(side) for side in made] == [1, 1]
    assert sides.copies == 2


def test_with_one_copy_readers_and_the_writer_wait_for_each_other() -> None:
    """A change waits until nobody reads, and a reader that comes meanwhile until it is made."""
    sides, changing, go = Sides(lists()), threading.Event(), threading.Event()
    sizes = []

    def change(side: Lists) -> None:
        changing.set()
        go.wait(20)
        put(side, 1)

    def read() -> None:
        with sides.reading() as side:
            sizes.append(len(side))

    with sides.reading():
        writer = threading.Thread(target=sides.change, args=(change,))
        writer.start()
        assert not changing.wait(0.05)
    assert changing.wait(20)
    reader = threading.Thread(target=read)
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    go.set()
    reader.join(20)
    writer.join(20)
    assert sizes == [1]


@pytest.mark.parametrize("spare", [True, False])
def test_a_change_that_fails_is_not_seen(spare: bool) -> None:
    """A change that fails before anything was written leaves what is read, and readers and later changes get through."""
    sides = Sides(lists(), lists() if spare else None)

    def fail(_: Lists) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        sides.change(fail)
    with sides.reading() as side:
        assert len(side) == 0
    sides.change(lambda side: put(side, 0))
    with sides.reading() as side:
        assert len(side) == 1


def test_a_second_copy_that_cannot_be_changed_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """The change was made and seen; whoever changes something else later is not told that it failed, the log is."""
    sides, made = Sides(lists(), lists()), list[Lists]()

    def fail_later(side: Lists) -> None:
        if made:
            raise MemoryError("full")
        made.append(side)
        put(side, 3)

    sides.change(fail_later)
    sides.change(lambda side: put(side, 4))
    assert sides.copies == 1
    assert len(sides.live) == 2
    assert "the second copy of the lists could not be changed" in caplog.text


def test_another_copy_takes_the_place() -> None:
    """A copy that replaces the live one is read from then on; the second one can be given up and taken again."""
    sides = Sides(lists(), lists())
    sides.change(lambda side: put(side, 1))
    given = sides.lend()
    assert given is not None
    assert given is not sides.live
    assert len(given) == 1
    assert sides.lend() is None
    fresh, spare = lists(), lists()
    for side in (fresh, spare):
        put(side, 7)
    sides.replace(fresh)
    sides.pair_with(spare)
    assert sides.live is fresh
    sides.change(lambda side: put(side, 8))
    assert sides.live is spare
    sides.settle()
    assert (len(fresh), len(spare)) == (2, 2)
