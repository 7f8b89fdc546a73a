"""Lists made beside the ones that are searched, from the vectors that are there, and no others.

Entries are carried over a few at a time, each few as they are at one moment. What is changed meanwhile is changed where it is
searched, noted, and done again in the new copy before anybody reads it.
"""

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.lists import ABSENT, Lists
from ratoon.index.ivf.sides import Sides

FEW, MANY = 2_048, 65_536
"""Entries that are read at one moment, and written at one."""


def carry(sides: Sides, into: Lists) -> None:
    """Fill empty lists of any shape with the live vectors; those that come later are not among them."""
    with sides.reading() as live:
        width = int(live.held_slots().max(initial=-1)) + 1
    lists = np.full(width, ABSENT, np.int64)
    for first in range(0, width, FEW):
        slots, vectors = _present(sides, first, min(first + FEW, width))
        lists[slots] = into.assigned(vectors)
    into.reserve(np.bincount(lists[lists != ABSENT], minlength=into.nlist))
    for begin in range(0, width, MANY):
        end = min(begin + MANY, width)
        parts = [_present(sides, first, min(first + FEW, end)) for first in range(begin, end, FEW)]
        slots, vectors = (np.concatenate(column) for column in zip(*parts, strict=True))
        late = slots[lists[slots] == ABSENT]
        lists[late] = into.assigned(vectors[np.isin(slots, late)])
        into.load(slots, lists[slots], into.encoded(vectors))


def _present(sides: Sides, first: int, last: int) -> tuple[Rows, Vectors]:
    """The slots from `first` to `last` in which something lies, and what."""
    slots = np.arange(first, last)
    with sides.reading() as live:
        slots = slots[live.has(slots)]
        return slots, live.vectors(slots)


def double(sides: Sides, into: Lists) -> None:
    """Fill empty lists of the live shape with the live entries, list by list."""
    for number in range(into.nlist):
        with sides.reading() as live:
            slots, codes = live.entries(number)
            slots, codes = slots.copy(), codes.copy()
        new = ~into.has(slots)  # others have moved here since their list was copied
        if new.any():
            into.fill(number, slots[new], codes[new])
