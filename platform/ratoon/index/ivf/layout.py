"""Vectors by slot: the lists they lie in, and what lays them out anew while they are searched and changed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock, RLock

import numpy as np

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import UsageError
from ratoon.index.answers.held import Held
from ratoon.index.checks import refuse_mapped
from ratoon.index.items.journal import Edit, Journal
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.centroids import SAMPLE, shape_for
from ratoon.index.ivf.fours import lists_of
from ratoon.index.ivf.levels import ENOUGH
from ratoon.index.ivf.lists import Codes, Lists
from ratoon.index.ivf.rebuilding import carry, double, equalise, give_back
from ratoon.index.ivf.sides import Reading, Sides
from ratoon.index.ivf.tuning import depth_for, probes_for, share_of
from ratoon.index.ivf.upkeep import Wear, apply, plan

STAND_INS = 300
"""Items that are asked for where no queries are known."""

EDITED = 8 * 16_384
"""So many items' worth of written slots are remembered, see `Journal`: an eighth of that."""

KEPT = 4_096
"""A change of more entries than these is made in both copies before the call returns, so that little is kept of it."""


class Layout:
    """Vectors by slot. Any number of threads may read; who changes holds `writing`.

    Attributes:
        dial: how they are laid out.
        moved: the slots of vectors that were written or dropped lately, noted once it shows.
    """

    def __init__(self, lists: Lists, dial: Dial, policy: IndexPolicy, writing: RLock, *, paired: bool = True) -> None:
        self.dial = dial
        self._policy, self._writing, self._rebuilding = policy, writing, Lock()
        self._sides = Sides(lists, lists.copy() if paired and policy.copies == 2 else None)
        self._missed: list[tuple[Rows, Vectors | None]] | None = None
        self._touched: list[Rows] | None = None if paired else []
        self._wear = Wear(lists.nlist)
        self._held: Held | None = None
        self.moved = Journal()

    @property
    def live(self) -> Lists:
        """The lists that are searched: for whoever holds `writing`."""
        return self._sides.live

    @property
    def copies(self) -> int:
        """How many copies there are: one less than the policy's while the second is being made again."""
        return self._sides.copies

    def reading(self) -> Reading:
        """The lists, unchanged until the block ends."""
        return self._sides.reading()

    def probes(self, lists: Lists) -> int:
        """How many of these lists to look at."""
        return min(self.dial.nprobe, int(lists.nlist))

    def held(self) -> Held:
        """All vectors, decoded; kept until the next change, for whoever asks many questions about one state."""
        if self._held is None:
            self._held = self.live.held()
        return self._held

    def put(self, slots: Rows, vectors: Vectors) -> None:
        """Write vectors into slots; when it returns they are found."""
        self.place(slots, self.live.assigned(vectors), self.live.encoded(vectors))

    def place(self, slots: Rows, lists: Rows, codes: Codes) -> None:
        """Write entries as they are into slots and lists; when it returns they are found."""
        self._left(slots)
        self._wear.put(slots, lists)
        self._note(slots, codes)
        try:
            self._change(lambda side: side.put(slots, lists, codes))
        finally:
            self.moved.note(Edit(slots, None), EDITED)
        self._settle(slots)

    def drop(self, slots: Rows, after: Callable[[Rows], None]) -> None:
        """Empty slots; when it returns nobody finds what was in them.

        Args:
            after: called with them once nobody is left who may have found it.
        """
        self._left(slots)
        self._note(slots, None)
        try:
            self._change(lambda side: side.drop(slots), lambda: after(slots))
        finally:
            self.moved.note(Edit(slots, None), EDITED)
        self._settle(slots)

    def _change(self, change: Callable[[Lists], None], after: Callable[[], None] = lambda: None) -> None:
        self._held = None  # with one list and no codec it is a view on what is changed now
        self._sides.change(change, after)

    def _settle(self, slots: Rows) -> None:
        """Change the second copy too, if so many slots were written that what they hold is too much to keep."""
        if len(slots) > KEPT:
            self._sides.settle()

    def settle(self) -> None:
        """Change the second copy too."""
        self._sides.settle()

    def _left(self, slots: Rows) -> None:
        self._wear.left(self.live.place(slots[self.live.has(slots)]))

    def _note(self, slots: Rows, codes: Codes | None) -> None:
        if self._missed is not None:
            self._missed.append((slots, None if codes is None else self.live.decoded(codes)))
        if self._touched is not None:
            self._touched.append(slots)

    def recentre(self, numbers: Rows, centroids: Vectors, dial: Dial) -> None:
        """Other centroids for some lists, whose entries stay where they are, and what else a layout alike is told by."""
        self._change(lambda side: side.recentre(numbers, centroids))
        self._deepen(dial)

    def _deepen(self, dial: Dial) -> None:
        """Look as deep from now on, see `Dial`."""
        if dial.deep != self.dial.deep:
            self._change(lambda side: side.deepen(dial.deep))
        self.dial = dial

    @contextmanager
    def lending(self) -> Iterator[tuple[Lists, list[Rows]]]:
        """The second copy, which is changed apart from the live one from now on, or a new one if there is none.

        With it a list to which the slots are added that are written here from now on; nothing is written until the block ends.
        The layout to which the live copy is given when nobody reads it here any more has two again, see `take`; so has this
        one after `restore`.
        """
        with self._rebuilding, self._writing:
            self._touched = []
            yield self._sides.lend() or self.live.copy(), self._touched

    def take(self, lists: Lists, touched: list[Rows]) -> None:
        """A second copy from the layout that lent the live one.

        Args:
            touched: the slots that were written there since.
        """
        with self._rebuilding:
            if not lists.shape.alike(self.live.shape):  # it was laid out anew meanwhile
                self._restored()
                return
            with self._writing:
                touched, self._touched = [*touched, *(self._touched or ())], []
            lists.recentre(np.arange(lists.nlist), self.live.centroids)
            equalise(self._sides, lists, touched)
            with self._writing:
                equalise(self._sides, lists, self._touched)
                self._sides.pair_with(lists)
                self._touched = None

    def restore(self) -> None:
        """A second copy, if there should be one and is none, made anew while the live one is read and changed."""
        if self.copies < self._policy.copies:
            with self._rebuilding:
                self._restored()

    def _restored(self) -> None:
        with self._writing:
            self._missed, self._touched = [], None
        self._end()

    def rebuild(self, dial: Dial, queries: Vectors | None) -> None:
        """Lay the vectors out anew; see `FaissIndex.rebuild`."""
        refuse_mapped(self.live.mapped, "a rebuild")
        with self._rebuilding:
            try:
                fresh = self._begun(dial, queries)
                carry(self._sides, fresh)
                if queries is not None:  # before anybody searches there
                    dial = self._tuned(dial, Sides(fresh), queries)
                with self._writing:
                    self._catch_up(fresh)
                    fresh.deepen(dial.deep)
                    self._held = None
                    self.dial, self._wear = dial, Wear(fresh.nlist)
                    self._sides.replace(fresh)
                    self.moved.forget()  # another codec keeps other vectors
                give_back()
            finally:
                self._end()

    def _begun(self, dial: Dial, queries: Vectors | None) -> Lists:
        """Empty lists in place of the second copy; from now on changes are noted."""
        with self._writing:
            if 1 < dial.lists > len(self.live):
                found = f"{dial.lists} for {len(self.live)} items"
                raise UsageError("dial.lists", expected="at most as many lists as items", found=found, fix="Ask for fewer lists.")
            self._sides.lend()
            self._missed = []
        give_back()
        with self._writing:
            sample = self._sample(max(SAMPLE * dial.lists, ENOUGH))
        return lists_of(shape_for(dial, sample, queries))

    def _end(self) -> None:
        """A rebuild is over, however it went: there are as many copies as before, and nothing is noted any more."""
        try:
            if self.copies < self._policy.copies:
                self._pair()
        finally:
            with self._writing:
                self._missed = None

    def _sample(self, count: int) -> Vectors:
        """At most so many of the vectors, the same ones of the same slots."""
        held = self.live.held_slots()
        rows = np.random.default_rng(len(held)).permutation(len(held))[:count]
        return self.live.vectors(held[np.sort(rows)])

    def _pair(self) -> None:
        with self._sides.reading() as live:  # which a writer may move in memory
            spare = lists_of(live.shape)
            spare.widen(int(live.held_slots().max(initial=-1)) + 1)
        double(self._sides, spare)
        with self._writing:
            # What is near two centroids must be in the same list in both: where the live one has it, not where it would go now.
            equalise(self._sides, spare, [slots for slots, _ in self._missed or ()])
            self._sides.pair_with(spare)

    def _catch_up(self, lists: Lists) -> None:
        """Do again in a new copy what was changed since it was begun."""
        for slots, vectors in self._missed or ():
            if vectors is None:
                lists.drop(slots)
            else:
                lists.put(slots, lists.assigned(vectors), lists.encoded(vectors))
        self._missed = []

    def tune(self, queries: Vectors, gone: Sequence[Rows] = ()) -> None:
        """Choose how many lists to look at; see `FaissIndex.tune`."""
        with self._rebuilding:
            dial = self._tuned(self.dial, self._sides, queries, gone)
            with self._writing:
                self._deepen(dial)

    def _tuned(self, dial: Dial, sides: Sides, queries: Vectors, gone: Sequence[Rows] = ()) -> Dial:
        if not len(queries):
            with self._writing:
                queries = self._sample(STAND_INS)
        nprobe, recall = probes_for(sides, queries, self._policy.k, self._policy.recall, gone)
        deep, share = depth_for(sides, queries, self._policy.k, nprobe)
        return replace(dial, nprobe=nprobe, recall=recall * share, deep=deep)

    def probe(self, queries: Vectors, gone: Sequence[Rows] = ()) -> float:
        """The share of the exact answers that is found; see `FaissIndex.probe`."""
        with self._rebuilding:
            share, error = share_of(self._sides, queries, self._policy.k, self.dial.nprobe, gone)
        if share + error < self._policy.recall:
            self.tune(queries, gone)
        return share

    def upkeep(self) -> int:
        """Mend the lists that are most in want of it; see `FaissIndex.upkeep`."""
        refuse_mapped(self.live.mapped, "upkeep")
        with self._rebuilding, self._writing:
            mending = plan(self.live, self._wear)
            if mending is not None:
                if self._touched is not None:
                    self._touched.append(mending.slots)
                self._change(lambda side: apply(side, mending))
            return 0 if mending is None else len(mending.numbers)
