"""Blocks of the filters that are asked again and again, in a bounded number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Lock

import numpy as np

from ratoon.domain.predicate import FilterRefused, Predicate
from ratoon.index.filters.block import Block, Growing, bytes_for, pieces
from ratoon.index.filters.matches import Matches
from ratoon.index.ivf.layout import Layout
from ratoon.index.ivf.lists import Lists

HEARD = 256
"""Filters that were asked once and are remembered: a block is begun for one that is asked again."""


class Kept:
    """What is kept of filters. Any number of threads may ask.

    Args:
        budget: bytes; the block that was asked for longest ago makes room for a new one.
        layout: of the vectors.
    """

    def __init__(self, budget: int, layout: Layout) -> None:
        self._budget, self._layout = budget, layout
        self._lock = Lock()
        self._heard: OrderedDict[Predicate, None] = OrderedDict()
        self._blocks: OrderedDict[Predicate, Growing] = OrderedDict()

    @property
    def size(self) -> int:
        """The bytes that blocks take at most."""
        return sum(block.size for block in self._blocks.values())

    def asked(self) -> list[Predicate]:
        """The filters of which there are blocks, the one that was asked last at the end."""
        with self._lock:
            return list(self._blocks)

    def block(self, only: Predicate, matches: Matches, lists: Lists, *, again: bool = False) -> Block | None:
        """All vectors that match as they are in the lists; None if it is not kept, or not whole yet.

        Args:
            matches: of `only`, as of now.
            lists: that the caller reads.
            again: take it to have been asked before.
        """
        with self._lock:
            # In this order: lists that are live after it was read hold all edits before this one, see `Sides`.
            end = self._layout.moved.end
            if lists is not self._layout.live:
                return None
            found = self._blocks.get(only)
            wanted = again or self._heard_before(only) if found is None else not self._followed(found, matches, end)
            if wanted:
                found = self._anew(only, matches, lists, end)
            if found is None:
                return None
            self._blocks.move_to_end(only)
            return found.grow(lists)

    def fill(self, asked: Iterable[Predicate], matches_of: Callable[[Predicate], Matches], lists: Lists) -> None:
        """Keep what is in the live lists of filters that were asked elsewhere, as far as they fit the columns."""
        for only in asked:
            with suppress(FilterRefused):
                matches = matches_of(only)
                for _ in range(pieces(matches.count)):
                    self.block(only, matches, lists, again=True)

    def _heard_before(self, only: Predicate) -> bool:
        before = only in self._heard
        self._heard[only] = None
        if len(self._heard) > HEARD:
            self._heard.popitem(last=False)
        return before

    def _followed(self, found: Growing, matches: Matches, end: int) -> bool:
        """Bring a block forward; False if too much has become of its vectors."""
        edits = self._layout.moved.since(found.known)
        if edits is None:
            return False
        edits = edits[: end - found.known]
        if edits or matches is not found.matches:
            found.follow(matches, np.concatenate([np.empty(0, np.int64), *(edit.slots for edit in edits)]))
            found.known = end
        return not found.crowded

    def _anew(self, only: Predicate, matches: Matches, lists: Lists, end: int) -> Growing | None:
        """A block without vectors; None if there would not be room for it."""
        self._blocks.pop(only, None)
        needed = bytes_for(matches.count, lists.dim)
        if needed > self._budget:
            return None
        while self.size + needed > self._budget:
            self._blocks.popitem(last=False)
        made = self._blocks[only] = Growing(matches, end, lists)
        return made
