"""Four bits a number as FAISS's fast scan lays them: blocks of 32 vectors, in which 16 bytes hold one number of each.

A byte holds the number of one vector in its low half and of the sixteenth after it in its high half, so that one instruction
looks up all of them.
"""

import numpy as np
import numpy.typing as npt

from ratoon.index.items.slots import Rows
from ratoon.index.ivf.levels import Fours

BLOCK = 32
"""Vectors."""

PLACES = np.argsort([0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15])
"""The byte in which each of sixteen vectors is."""

FEW = 4
"""Up to so many entries it is quicker to write one after the other."""

Blocks = npt.NDArray[np.uint8]
"""Shape (blocks, numbers, BLOCK / 2)."""


def write(blocks: Blocks, at: Rows, codes: Fours) -> None:
    """Write entries at these places, without duplicates; shape (n,) and (n, numbers)."""
    if len(at) <= FEW:
        for place, code in zip(at.tolist(), codes, strict=True):
            own = blocks[place // BLOCK, :, PLACES[place % 16]]
            own[:] = own & 0x0F | code << 4 if place % BLOCK >= 16 else own & 0xF0 | code
        return
    numbers, byte, high = at // BLOCK, PLACES[at % 16], at % BLOCK >= 16
    for chosen, left, shift in ((~high, 0xF0, 0), (high, 0x0F, 4)):
        places = numbers[chosen], slice(None), byte[chosen]
        blocks[places] = blocks[places] & left | codes[chosen] << shift


def read(blocks: Blocks, at: Rows) -> Fours:
    """The entries at these places; shape (n, numbers)."""
    found: Fours = blocks[at // BLOCK, :, PLACES[at % 16]]
    halves: Fours = found >> np.where(at % BLOCK >= 16, 4, 0).astype(np.uint8)[:, None] & np.uint8(0x0F)
    return halves
