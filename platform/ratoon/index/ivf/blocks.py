"""All entries, list after list, a bounded number at a time.

Each few are copied as they are at one moment, and gone through while changes go on. What does not change is met once; what is
changed meanwhile is met where it was, where it is, in both or in neither.
"""

from collections.abc import Iterator

import numpy as np

from ratoon.index.items.slots import Rows
from ratoon.index.ivf.lists import Codes
from ratoon.index.ivf.sides import Sides

Block = tuple[Rows, Codes, Rows]
"""Slots, codes and lists of some entries; shape (n,), (n, bytes) and (n,)."""


def blocks(sides: Sides, size: int) -> Iterator[Block]:
    """The live entries, at most about twice `size` at a time."""
    sizes = sides.live.sizes()
    group = np.cumsum(sizes) // size
    for numbers in np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(group)) + 1):
        if sizes[numbers].max() > size:
            for number in numbers.tolist():
                yield from _long(sides, number, size)
        else:
            yield _short(sides, numbers)


def _short(sides: Sides, numbers: Rows) -> Block:
    with sides.reading() as lists:
        held = [lists.entries(number) for number in numbers.tolist()]
        slots, codes = (np.concatenate(column) for column in zip(*held, strict=True))
        return slots, codes, np.repeat(numbers, [len(own) for own, _ in held])


def _long(sides: Sides, number: int, size: int) -> Iterator[Block]:
    """A list in parts. Entries change places in it, so it is gone through by what was in it at one moment."""
    with sides.reading() as lists:
        every = lists.entries(number)[0].copy()
    for first in range(0, len(every), size):
        with sides.reading() as lists:
            slots = every[first : first + size]
            slots = slots[lists.has(slots)]
            vectors, places = lists.vectors(slots), lists.place(slots)
        yield slots, lists.encoded(vectors), places
