"""Lists of which most lie in a file, and what was written since lies in memory beside them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.lists import Codes, Lists
from ratoon.index.ivf.scanning import NOTHING, Scored
from ratoon.index.mapped.fixed import Base

FEW, SPARE = 0.25, 32
"""The largest share of the base that may be hidden, and how many entries more are looked for in case that they are."""


class MappedLists(Lists):
    """A base that others map too, and over it lists of one's own around the same centroids: what is written goes there.

    A slot of the base that is written to or emptied is hidden from then on: a search looks at the base without it and at the
    same lists of one's own, and takes the best of both. So it finds what `Lists` of the same content find. What a change costs
    does not depend on how many there were; what a search costs grows as the lists do that it looks into, by what was written.
    """

    def __init__(self, base: Base) -> None:
        super().__init__(base.shape)
        self._base, self._left = base, base.sizes.copy()
        self._shown = np.packbits(np.ones(len(base), np.bool_), bitorder="little")
        self._hidden = 0

    @property
    def mapped(self) -> Path:
        """The file that the base lies in."""
        return self._base.path

    def told(self) -> dict[str, int | str]:
        """How many items lie over the base, how many of it are gone, and where it is."""
        over = super().held_slots()
        gone = self._hidden - int(np.count_nonzero(over < len(self._base)))
        return {"mode": "mapped", "overlay": len(over), "gone": gone, "file": str(self.mapped)}

    def __len__(self) -> int:
        """How many vectors it holds."""
        return super().__len__() + len(self._base) - self._hidden

    def copy(self) -> "MappedLists":
        """The same base, and the entries over it in memory of their own."""
        other = MappedLists(self._base)
        other._left, other._shown, other._hidden = self._left.copy(), self._shown.copy(), self._hidden
        for number in np.flatnonzero(super().sizes()).tolist():
            other.fill(number, *super().entries(number))
        return other

    def put(self, slots: Rows, lists: Rows, codes: Codes) -> None:
        """Write entries, over those that lie in these slots or as new ones; see `Lists.put`."""
        self._hide(slots)
        super().put(slots, lists, codes)

    def drop(self, slots: Rows) -> None:
        """Take entries away; slots in which nothing lies are passed over."""
        self._hide(slots)
        super().drop(slots)

    def _hide(self, slots: Rows) -> None:
        """Look past what the base has in these slots."""
        slots = slots[self._shows(slots)]
        self._hidden += len(slots)
        np.subtract.at(self._left, self._base.place(slots), 1)
        np.bitwise_and.at(self._shown, slots >> 3, ~(1 << (slots & 7)).astype(np.uint8))

    def _shows(self, slots: Rows) -> npt.NDArray[np.bool_]:
        """Whether each of these slots is one of the base's, and not hidden."""
        shown = (slots >= 0) & (slots < len(self._base))
        there = slots[shown]
        shown[shown] = self._shown[there >> 3] >> (there & 7) & 1
        return shown

    def search(
        self,
        queries: Vectors,
        depth: int,
        nprobe: int,
        without: Rows | None = None,
        only: Codes | None = None,
        keys: Rows | None = None,
    ) -> Scored:
        """The best of the `nprobe` likeliest lists of each query; see `Lists.search`."""
        if keys is None:
            keys = self.likeliest(queries, min(nprobe, self.nlist))
        found, over = self._beneath(queries, depth, keys, without, only), min(depth, super().__len__())
        if over:
            found = _joined(found, super().search(queries, over, keys.shape[1], without, only, keys))
        return found if found[0].shape[1] == depth else _best(found, depth)

    def _beneath(self, queries: Vectors, depth: int, keys: Rows, without: Rows | None, only: Codes | None) -> Scored:
        """The base's best entries that show, at least as many as are asked for, in any order if they are more."""
        asked = [one for one in (only, self._shown if self._hidden else None) if one is not None]
        if without is None and only is None and 0 < self._hidden <= FEW * len(self._base):
            # FAISS takes half as long again to ask of every entry whether it shows; it is asked here of those it finds.
            more = depth + SPARE + int(3 * depth * self._hidden / len(self._base))
            scores, slots = self._base.search(queries, more, keys)
            shown = self._shows(slots.ravel()).reshape(slots.shape)
            if ((np.count_nonzero(shown, axis=1) >= depth) | (slots[:, -1] < 0)).all():
                return np.where(shown, scores, NOTHING), np.where(shown, slots, -1)
        return self._base.search(queries, depth, keys, asked, without)

    def has(self, slots: Rows) -> npt.NDArray[np.bool_]:
        """Whether something lies in each slot; shape (n,)."""
        there: npt.NDArray[np.bool_] = super().has(slots) | self._shows(slots)
        return there

    def vectors(self, slots: Rows) -> Vectors:
        """The vectors in these slots, in order, shape (n, dim); each holds one."""
        shown = self._shows(slots)
        found = np.empty((len(slots), self.dim), np.float32)
        found[shown] = self.decoded(self._base.codes(slots[shown]))
        found[~shown] = super().vectors(slots[~shown])
        return found

    def entries(self, number: int) -> tuple[Rows, Codes]:
        """The slots and codes of a list: good until the next change."""
        (slots, codes), (own, own_codes) = self._base.entries(number), super().entries(number)
        if not len(own) and self._left[number] == len(slots):
            return slots, codes
        shown = self._shows(slots)
        return np.append(slots[shown], own), np.append(codes[shown], own_codes, axis=0)

    def held_slots(self) -> Rows:
        """The slots in which something lies, ascending."""
        shown = np.flatnonzero(np.unpackbits(self._shown, count=len(self._base), bitorder="little"))
        return np.union1d(shown, super().held_slots())

    def place(self, slots: Rows) -> Rows:
        """The list of each of these slots, in each of which something lies; shape (n,)."""
        shown, lists = self._shows(slots), np.empty(len(slots), np.int64)
        lists[shown], lists[~shown] = self._base.place(slots[shown]), super().place(slots[~shown])
        return lists

    def sizes(self) -> Rows:
        """How many entries each list has, shape (lists,)."""
        sizes: Rows = super().sizes() + self._left
        return sizes


def _joined(one: Scored, other: Scored) -> Scored:
    return np.concatenate([one[0], other[0]], axis=1), np.concatenate([one[1], other[1]], axis=1)


def _best(found: Scored, depth: int) -> Scored:
    """The best of what was found, best first; shape (queries, depth)."""
    scores, slots = found
    order, rows = np.argsort(-scores, axis=1, kind="stable")[:, :depth], np.arange(len(scores))[:, None]
    return scores[rows, order], slots[rows, order]
