"""One or two copies of the lists, so that readers never see half a change (left-right: Ramalhete and Correia 2015).

With two, a change is made in the copy that nobody reads, and the copies change places: readers never wait, and the writer does
not wait for them. The other copy is changed when the next change comes, by when they have long left it. With one copy readers
wait while it is changed. The same happens for as long as the second copy is being made again.
"""

import logging
import time
from collections.abc import Callable
from threading import Event

from ratoon.index.ivf.lists import Lists

logger = logging.getLogger("ratoon.index")

PAUSE = 5e-5
"""Seconds between looks whether readers have left."""


class _Side:
    """A copy and who reads it. Appending, popping and comparing are single steps of the interpreter: no reader takes a lock."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self.readers: list[None] = []
        self.open = Event()
        self.open.set()

    def drain(self) -> None:
        """Wait until nobody reads."""
        while self.readers:
            time.sleep(PAUSE)


class Sides:
    """What readers read and one writer at a time changes.

    Args:
        spare: the second copy, of the same content as the first.
    """

    def __init__(self, lists: Lists, spare: Lists | None = None) -> None:
        self._live = _Side(lists)
        self._spare = None if spare is None else _Side(spare)
        self._owed: tuple[Callable[[Lists], None], Callable[[], None]] | None = None

    @property
    def live(self) -> Lists:
        """The copy that is read: for the writer, who alone changes it."""
        return self._live.lists

    @property
    def copies(self) -> int:
        """One or two."""
        return 1 if self._spare is None else 2

    def reading(self) -> "Reading":
        """The live copy, unchanged until the block ends."""
        return Reading(self)

    def enter(self) -> _Side:
        """The live side, with one reader more: whoever asks takes it out again."""
        while True:
            side = self._live
            side.readers.append(None)
            # A writer looks for readers after it has closed this side or made the other one live; then one of us sees the other.
            if side is self._live and side.open.is_set():
                return side
            side.readers.pop()
            side.open.wait()

    def change(self, change: Callable[[Lists], None], after: Callable[[], None] = lambda: None) -> None:
        """Change every copy alike; when it returns, every reader to come sees the change.

        Args:
            change: does the same to equal copies; kept until it has been made in both.
            after: called once no reader is left who may see the copy as it was before.
        """
        self.settle()
        live, spare = self._live, self._spare
        if spare is None:
            live.open.clear()
            try:
                live.drain()
                change(live.lists)
            finally:
                live.open.set()
            after()
            return
        self._spare = None  # until both are equal again
        change(spare.lists)
        self._live, self._spare, self._owed = spare, live, (change, after)

    def settle(self) -> None:
        """Wait for those who still read the second copy, and make it equal to the live one."""
        spare, owed = self._spare, self._owed
        if spare is None or owed is None:
            return
        self._spare = self._owed = None
        spare.drain()
        change, after = owed
        after()
        try:
            change(spare.lists)
        except Exception:
            # It was made in the copy that is read, and whoever asked for it was told so.
            logger.exception("the second copy of the lists could not be changed and is given up until another is made")
            return
        self._spare = spare

    def lend(self) -> Lists | None:
        """Give the second copy, equal to the live one, away; None if there is none."""
        self.settle()
        spare, self._spare = self._spare, None
        return None if spare is None else spare.lists

    def replace(self, lists: Lists) -> None:
        """Another copy becomes the live one; the old one is freed after its last reader."""
        old, self._live = self._live, _Side(lists)
        old.drain()

    def pair_with(self, spare: Lists) -> None:
        """Take a second copy, equal to the live one."""
        self._spare = _Side(spare)


class Reading:
    """A reader of the live copy: a class, as a generator would cost a search several times more."""

    __slots__ = ("_side", "_sides")

    def __init__(self, sides: Sides) -> None:
        self._sides = sides

    def __enter__(self) -> Lists:
        self._side = self._sides.enter()
        return self._side.lists

    def __exit__(self, *_: object) -> None:
        self._side.readers.pop()
