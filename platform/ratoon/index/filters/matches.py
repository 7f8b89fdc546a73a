"""Which slots match a filter, kept as bits and as a list of some of them, and changed slot by slot."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.domain.matching import Bools
from ratoon.index.items.slots import Rows

SAMPLE = 32_768
"""About as many matching slots are listed; all of them where they are not twice as many."""

ALL = 2**32


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """The slots that match; never changed.

    Attributes:
        bits: bit `slot % 8` of byte `slot // 8` is set if the slot matches; uint8.
        count: how many match.
        listed: those of them whose hash is below `share`, in no order that means anything: a sample that depends on nothing else.
        share: of ALL hashes.
    """

    bits: npt.NDArray[np.uint8]
    count: int
    listed: Rows
    share: int = ALL

    @classmethod
    def of(cls, truth: Bools) -> "Matches":
        """By slot, whether it matches."""
        slots = np.flatnonzero(truth)
        share = ALL if len(slots) <= 2 * SAMPLE else ALL * SAMPLE // len(slots)
        return cls(np.packbits(truth, bitorder="little"), len(slots), _below(slots, share), share)

    @property
    def whole(self) -> bool:
        """Whether all are listed."""
        return self.share == ALL

    @property
    def all(self) -> Rows:
        """Every one that matches."""
        return self.listed if self.whole else np.flatnonzero(np.unpackbits(self.bits, bitorder="little"))

    def has(self, slots: Rows) -> Bools:
        """Whether each of these slots matches; shape (n,)."""
        found = slots < 8 * len(self.bits)
        there = slots[found]
        found[found] = self.bits[there >> 3] >> (there & 7) & 1
        return found

    def unlike(self, other: "Matches") -> Rows:
        """The slots that match here and not there, or the reverse; ascending."""
        if other is self:
            return np.empty(0, np.int64)
        bits = np.zeros(max(len(self.bits), len(other.bits)), np.uint8)
        bits[: len(self.bits)] = self.bits
        bits[: len(other.bits)] ^= other.bits
        places = np.flatnonzero(bits)
        rows, bit = np.nonzero(np.unpackbits(bits[places, None], axis=1, bitorder="little"))
        slots: Rows = 8 * places[rows] + bit
        return slots

    def with_slots(self, slots: Rows, truth: Bools) -> "Matches":
        """The same where some slots match, or do not; looks at no others unless far more or fewer match than before.

        Args:
            slots: without duplicates; shape (n,).
            truth: whether they match; shape (n,).
        """
        was = self.has(slots)
        if (was == truth).all():
            return self
        bits = np.zeros(max(len(self.bits), int(slots.max()) // 8 + 1), np.uint8)
        bits[: len(self.bits)] = self.bits
        masks = (1 << (slots & 7)).astype(np.uint8)
        np.bitwise_or.at(bits, slots[truth] >> 3, masks[truth])
        np.bitwise_and.at(bits, slots[~truth] >> 3, ~masks[~truth])
        count = self.count + int(truth.sum()) - int(was.sum())
        kept = self.listed[~np.isin(self.listed, slots[was & ~truth])]
        listed = np.concatenate([kept, _below(slots[truth & ~was], self.share)])
        if len(listed) > 4 * SAMPLE or (not self.whole and len(listed) < SAMPLE // 4):
            return Matches.of(np.unpackbits(bits, bitorder="little").astype(np.bool_))
        return Matches(bits, count, listed, self.share)


def _below(slots: Rows, share: int) -> Rows:
    """Those whose hash (Knuth's, by multiplication) is below."""
    return slots if share == ALL else slots[slots * 2_654_435_761 % ALL < share]


NOTHING = Matches(np.zeros(1, np.uint8), 0, np.empty(0, np.int64))
