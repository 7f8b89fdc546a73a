"""Lists made beside the ones that are searched, from the vectors that are there, and no others.

Entries are carried over a few at a time, each few as they are at one moment. What is changed meanwhile is changed where it is
searched, noted, and done again in the new copy before anybody reads it.
"""

import ctypes
from collections.abc import Sequence

import numpy as np

from ratoon.index.items.slots import Rows
from ratoon.index.ivf.blocks import blocks
from ratoon.index.ivf.centroids import Passing
from ratoon.index.ivf.lists import ABSENT, Lists
from ratoon.index.ivf.sides import Sides

FEW, MANY = 2_048, 16_384
"""Entries that are compared, and gone through, at once."""

CENTRING = 160
"""Vectors per list that centre it: four times the sample, of which no more than a few are in memory."""


def carry(sides: Sides, into: Lists) -> None:
    """Fill empty lists of any shape with the live vectors; those that come later are not among them.

    Before that the lists, which were made for a sample, are centred on more of the vectors.
    """
    if into.nlist > 1:
        _centre(sides, into)
    lists = _assigned(sides, into)
    into.widen(len(lists))
    into.reserve(np.bincount(lists[lists != ABSENT], minlength=into.nlist))
    live = sides.live
    same = live.codec == into.codec != "sq8"  # one that has learnt nothing
    for slots, codes, _ in blocks(sides, MANY):
        new = slots < len(lists)
        new[new] = lists[slots[new]] != ABSENT
        new &= ~into.has(slots)  # some have been met in another list
        slots, codes = slots[new], codes[new]
        into.load(slots, lists[slots], codes if same else into.encoded(live.decoded(codes)))


def _centre(sides: Sides, lists: Lists) -> None:
    passing, step = Passing(lists.centroids.copy()), max(1, len(sides.live) // (CENTRING * lists.nlist))
    for _, codes, _ in blocks(sides, MANY):
        passing.add(sides.live.decoded(codes[::step]) * lists.scale)
    lists.recentre(np.arange(lists.nlist), passing.centroids())


def _assigned(sides: Sides, into: Lists) -> Rows:
    """The list of each slot among `into`, ABSENT where nothing lies; shape (slots,)."""
    with sides.reading() as live:
        lists = np.full(int(live.held_slots().max(initial=-1)) + 1, ABSENT, np.int64)
    for slots, codes, _ in blocks(sides, MANY):
        known = slots < len(lists)
        lists[slots[known]] = into.assigned(live.decoded(codes[known]))
    return lists


def double(sides: Sides, into: Lists) -> None:
    """Fill empty lists of the live shape with the live entries, list by list."""
    for number in range(into.nlist):
        with sides.reading() as live:
            slots, codes = live.entries(number)
            slots, codes = slots.copy(), codes.copy()
        new = ~into.has(slots)  # others have moved here since their list was copied
        if new.any():
            into.fill(number, slots[new], codes[new])


def equalise(sides: Sides, into: Lists, written: Sequence[Rows]) -> None:
    """Let lists of the live shape hold in some slots what the live ones hold there."""
    slots = np.unique(np.concatenate([np.empty(0, np.int64), *written]))
    for first in range(0, len(slots), FEW):
        some = slots[first : first + FEW]
        with sides.reading() as live:
            there = live.has(some)
            held = some[there]
            lists, codes = live.place(held), live.encoded(live.vectors(held))
        into.drop(some[~there])
        into.put(held, lists, codes)


def give_back() -> None:
    """Return freed memory to the machine, where the C library can.

    Lists are many small pieces. Freed, they are kept for pieces like them, and what is made next would be taken on top.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)
