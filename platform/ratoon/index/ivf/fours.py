"""Lists of four bits a number, scanned 32 vectors at a time (André, Kermarrec and Le Scouarnec 2015), and whole vectors aside.

What is in memory is, of each number by which a vector differs from its centroid, the nearest of sixteen levels. By these a search
finds several times as many as it is asked for, and those it puts in order by the vectors as they were given, in float16, which
lie in a file. So what is answered has exact scores, and what it costs in memory is a quarter of float16.

No map of FAISS's leads into such lists, nor does it change entries there; so where an entry lies is said here, and what moves is
written into the blocks as FAISS lays them.
"""

from collections.abc import Iterator
from math import ceil

import faiss
import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.aside import Aside
from ratoon.index.ivf.levels import LEVELS, Fours, fours
from ratoon.index.ivf.lists import ABSENT, LIST, Codes, Lists
from ratoon.index.ivf.nearest import memory
from ratoon.index.ivf.packing import BLOCK, read, write
from ratoon.index.ivf.scanning import NOTHING, Scored, scanned, selector
from ratoon.index.ivf.shape import Shape

TINY = 1e-30
"""A query whose numbers are all smaller is zero, and every entry as good as any other."""

LEAST = 64
"""So many more than are asked for are found at least: among few, one that its code puts too far down is soon missed."""


class FourBits(Lists):
    """One copy of the vectors; what `entries` and `encoded` call their codes is float16, as in snapshots."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self._width = 2 * self.dim
        self._levels = shape.trained.reshape(LEVELS, self.dim)
        self._aside = Aside(self.dim)

    def copy(self) -> "FourBits":
        """The same entries in memory and in a file of their own."""
        other = FourBits(self.shape)
        other.widen(len(self._where))
        for number in np.flatnonzero(self.sizes()).tolist():
            other.fill(number, *self.entries(number))
        return other

    def encoded(self, vectors: Vectors) -> Codes:
        """The vectors in float16."""
        return np.ascontiguousarray(vectors, np.float16).view(np.uint8)

    def decoded(self, codes: Codes) -> Vectors:
        """The vectors by which scores are made."""
        return codes.view(np.float16).astype(np.float32)

    def put(self, slots: Rows, lists: Rows, codes: Codes) -> None:
        """Write entries, over those that lie in these slots or as new ones; see `Lists.put`."""
        if not len(slots):
            return
        self._reach(slots)
        self._leave(slots[self._where[slots] != ABSENT])
        found = self._known(slots, lists, codes)
        for rows in _runs(lists):
            self._append(int(lists[rows[0]]), slots[rows], found[rows])

    def fill(self, number: int, slots: Rows, codes: Codes) -> None:
        """Append new entries to one list."""
        if len(slots):
            self._reach(slots)
            self._append(number, slots, self._known(slots, np.full(len(slots), number), codes))

    def drop(self, slots: Rows) -> None:
        """Take entries away; slots in which nothing lies are passed over."""
        slots = slots[self.has(slots)]
        self._leave(slots)
        self._where[slots] = ABSENT

    def _known(self, slots: Rows, lists: Rows, codes: Codes) -> Fours:
        """Put vectors aside, and say how they are scanned in these lists; shape (n, FAISS's length)."""
        vectors = self._aside.rows[slots] = self.decoded(codes)
        return self._fours(lists, vectors)

    def _append(self, number: int, slots: Rows, found: Fours) -> None:
        size = self._entries.list_size(number)
        self._entries.resize(number, size + len(slots))
        at = np.arange(size, size + len(slots))
        self._slots(number)[at] = slots
        self._where[slots] = (number << LIST) + at
        write(self._blocks(number), at, found)
        self._faiss.ntotal += len(slots)

    def _leave(self, slots: Rows) -> None:
        """Take entries out of their lists, in which the last ones take their places."""
        where = self._where[slots]
        for rows in _runs(where >> LIST):
            number, gone = int(where[rows[0]] >> LIST), where[rows] & (1 << LIST) - 1
            size = self._entries.list_size(number)
            left = size - len(gone)
            stay = np.ones(size - left, np.bool_)
            stay[gone[gone >= left] - left] = False
            holes, last = gone[gone < left], left + np.flatnonzero(stay)
            blocks, own = self._blocks(number), self._slots(number)
            write(blocks, holes, read(blocks, last))
            own[holes] = own[last]
            self._where[own[holes]] = (number << LIST) + holes
            self._entries.resize(number, left)
        self._faiss.ntotal -= len(slots)

    def _fours(self, lists: Rows, vectors: Vectors) -> Fours:
        found = np.zeros((len(vectors), self._faiss.M2), np.uint8)
        found[:, : self.dim] = fours(vectors - self._centres[lists], self._levels)
        return found

    @property
    def _centres(self) -> Vectors:
        """What FAISS takes for the centroids, shape (lists, dim): a view."""
        return memory(self._quantizer)[:, : self.dim]

    def _slots(self, number: int) -> Rows:
        size = self._entries.list_size(number)
        return faiss.rev_swig_ptr(self._entries.get_ids(number), size) if size else np.empty(0, np.int64)

    def _blocks(self, number: int) -> Fours:
        """The memory of a list's codes; good until its size changes."""
        count, wide = -(-self._entries.list_size(number) // BLOCK), self._faiss.M2
        shape = (count, wide, BLOCK // 2)
        if not count:
            return np.empty(shape, np.uint8)
        codes: Fours = faiss.rev_swig_ptr(self._entries.get_codes(number), count * wide * BLOCK // 2).reshape(shape)
        return codes

    def recentre(self, numbers: Rows, centroids: Vectors) -> None:
        """Other centroids for some lists, whose entries stay where they are, and differ from these now."""
        super().recentre(numbers, centroids)
        for number in numbers.tolist():
            own = self._slots(number)
            write(self._blocks(number), np.arange(len(own)), self._fours(np.full(len(own), number), self._aside.rows[own]))

    def search(
        self,
        queries: Vectors,
        depth: int,
        nprobe: int,
        without: Rows | None = None,
        only: Codes | None = None,
        keys: Rows | None = None,
    ) -> Scored:
        """The best of what the codes say is in the `nprobe` likeliest lists of each query; see `Lists.search`."""
        likely = self._likely(queries, max(ceil(depth * self.deep), depth + LEAST), nprobe, without, only, keys)
        scores, slots = np.full((len(queries), depth), NOTHING, np.float32), np.full((len(queries), depth), -1)
        for row, near in enumerate(likely):
            own = self._scores(queries[row], near)
            order = (-own).argsort()[:depth]
            scores[row, : len(order)], slots[row, : len(order)] = own[order], near[order]
        return scores, slots

    def order(self, queries: Vectors, k: int, nprobe: int, most: int) -> Rows:
        """Where the k best of the first `most` stand among these in the order of their codes; shape (queries, at most k)."""
        likely = self._likely(queries, most, nprobe, None, None, None)
        return np.stack([(-self._scores(query, near)).argsort()[:k] for query, near in zip(queries, likely, strict=True)])

    def _likely(
        self, queries: Vectors, most: int, nprobe: int, without: Rows | None, only: Codes | None, keys: Rows | None
    ) -> Rows:
        """The slots of the best by their codes, -1 where there is no more; shape (queries, at most `most`)."""
        sel = selector([] if only is None else [only], without)
        # FAISS counts in steps of a query's widest span of products: without one, nothing is found. Only the order matters.
        size = np.abs(queries).max(axis=1, keepdims=True)
        queries = np.divide(queries, size, out=np.ones_like(queries), where=size > TINY)
        nprobe = min(nprobe, self.nlist)  # a list that there is not would spoil the scale of all scores
        near = None if keys is None else np.take_along_axis(queries @ self._centres.T, np.maximum(keys, 0), axis=1)
        slots = scanned(self._faiss, queries, max(1, min(most, len(self))), nprobe, sel, keys, near)[1]
        if nprobe == self.nlist and slots[:, -1].min() < 0:
            self._complete(slots, only, without)
        return slots

    def _complete(self, slots: Rows, only: Codes | None, without: Rows | None) -> None:
        """Put what was to be found and was not where there is -1: to FAISS, the lowest sum that there can be is no entry's."""
        every = np.flatnonzero(self._where != ABSENT)
        if only is not None:
            every = every[np.unpackbits(only, count=len(self._where), bitorder="little")[every] > 0]
        if without is not None:
            every = np.setdiff1d(every, without)
        for own in slots:
            free = np.flatnonzero(own < 0)
            missed = np.setdiff1d(every, own)[: len(free)]
            own[free[: len(missed)]] = missed

    def _scores(self, query: Vectors, slots: Rows) -> Vectors:
        """The inner products of a query, shape (dim,), and the vectors in some slots, of which those without one come last."""
        # Not a product of matrices, which sums in another order where others are scored with it: equal vectors would not tie.
        scores: Vectors = np.einsum("nd,d->n", self._aside.rows.take(slots, axis=0), query)
        if slots[-1] < 0:
            scores[slots < 0] = NOTHING
        return scores

    def vectors(self, slots: Rows) -> Vectors:
        """The vectors in these slots, in order, shape (n, dim); each holds one."""
        return self._aside.rows[slots]

    def entries(self, number: int) -> tuple[Rows, Codes]:
        """A view on the slots and a copy of the vectors of a list: the former good until the next change."""
        slots = self._slots(number)
        return slots, self.encoded(self._aside.rows[slots])

    def told(self) -> dict[str, int | str]:
        """The bytes of the codes, which lie in memory, and of the vectors, which lie in a file."""
        return {"coded": len(self) * self._faiss.M2 // 2, "aside": self._aside.rows.nbytes}

    def widen(self, width: int) -> None:
        """Have room for the slots below this one; StoreError where the disk has none."""
        if width > len(self._where):
            self._aside.reach(width)
            super().widen(width)


def _runs(lists: Rows) -> Iterator[Rows]:
    """The places of each list among these."""
    order = np.argsort(lists, kind="stable")
    return (rows for rows in np.split(order, np.flatnonzero(np.diff(lists[order])) + 1) if len(rows))


def lists_of(shape: Shape) -> Lists:
    """Empty lists as their codec asks for."""
    return FourBits(shape) if shape.codec == "sq4" else Lists(shape)
