"""Vectors in the lists of their nearest centroids: FAISS inverted files (Jégou, Douze and Schmid 2011), changed in place by slot.

FAISS scans and FAISS moves entries from list to list, many at once; which list, which slot and when is said here. No FAISS
map allows both to replace and to take away. So every list index has one list more than centroids, the lobby, where no query
looks: what is new enters through it, and what goes leaves through it.
"""

from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.index.answers.held import Held
from ratoon.index.checks import refuse_mapped
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.eights import longer
from ratoon.index.ivf.nearest import Nearest, memory
from ratoon.index.ivf.scanning import Scored, scanned, selector
from ratoon.index.ivf.shape import Shape, made, quantizer

Codes = npt.NDArray[np.uint8]
"""Encoded vectors, shape (n, bytes)."""

LIST = 32
"""The bits of a place above these are the list's number, those below the entry's."""

ABSENT = -1

RUN = 8
"""Vectors to a list from which on it is faster to copy them from there than to let FAISS find and decode each of them."""


class Lists:
    """One copy of the vectors. Any number of threads may search it, as long as none changes it."""

    def __init__(self, shape: Shape) -> None:
        self.nlist, self.dim = shape.centroids.shape
        self.codec, self.scale, self.usual, self._trained = shape.codec, shape.scale, shape.usual, shape.trained
        self.deep = shape.deep
        self._quantizer, self._nearest = quantizer(shape), Nearest(shape.centroids)
        self._faiss = made(self._quantizer, self.nlist + 1, shape)
        self._width = self.dim * self._faiss.code_size // self._faiss.d
        self._faiss.set_direct_map_type(faiss.DirectMap.Array)  # type: ignore[attr-defined]  # missing in FAISS's stubs
        self._entries, self._map = self._faiss.invlists, self._faiss.direct_map
        self._where: Rows = np.empty(0, np.int64)

    def __len__(self) -> int:
        """How many vectors it holds."""
        return int(self._faiss.ntotal)

    @property
    def shape(self) -> Shape:
        """What it was made of, with the centroids of now."""
        return Shape(self.centroids.copy(), self.scale, self.usual, self.codec, self._trained, self.deep)

    @property
    def centroids(self) -> Vectors:
        """Those of now: a view; see `Shape`."""
        return self._nearest.centroids

    def copy(self) -> "Lists":
        """The same entries in memory of their own."""
        other = Lists(self.shape)
        for number in np.flatnonzero(self.sizes()).tolist():
            other.fill(number, *self.entries(number))
        return other

    def assigned(self, vectors: Vectors) -> Rows:
        """The list of each vector, that of the nearest centroid, or of one hardly farther (see `Nearest`); shape (n,)."""
        return self._nearest.of(vectors, self.scale)

    def encoded(self, vectors: Vectors) -> Codes:
        """The vectors as they are kept."""
        codes = np.empty((len(vectors), self._faiss.code_size), np.uint8)
        nowhere, vectors = np.zeros(len(vectors), np.int64), longer(vectors, self._faiss.d)
        self._faiss.encode_vectors(len(vectors), faiss.swig_ptr(vectors), faiss.swig_ptr(nowhere), faiss.swig_ptr(codes))
        return codes[:, : self._width]

    def decoded(self, codes: Codes) -> Vectors:
        """The vectors that are searched in place of those that were encoded; a view where nothing was lost."""
        if self.codec == "flat":
            return codes.view(np.float32)
        if self.codec == "fp16":
            return codes.view(np.float16).astype(np.float32)
        vectors: Vectors = self._faiss.sq.decode(longer(codes, self._faiss.code_size))
        return vectors[:, : self.dim]

    def put(self, slots: Rows, lists: Rows, codes: Codes) -> None:
        """Write entries, over those that lie in these slots or as new ones.

        Args:
            slots: without duplicates.
        """
        if not len(slots):
            return
        codes = longer(codes, self._faiss.code_size)
        self._reach(slots)
        new = slots[self._where[slots] == ABSENT]
        if len(new):
            self.fill(self.nlist, new, codes[: len(new)])  # what it says there is of no account
        self._map.update_codes(self._entries, len(slots), faiss.swig_ptr(slots), faiss.swig_ptr(lists), faiss.swig_ptr(codes))

    def fill(self, number: int, slots: Rows, codes: Codes) -> None:
        """Append new entries to one list, which takes the memory that they need and no more."""
        self._reach(slots)
        self._where[slots] = (number << LIST) + self._entries.list_size(number) + np.arange(len(slots))
        codes = longer(codes, self._faiss.code_size)
        self._entries.add_entries(number, len(slots), faiss.swig_ptr(slots), faiss.swig_ptr(codes))
        self._faiss.ntotal += len(slots)

    def load(self, slots: Rows, lists: Rows, codes: Codes) -> None:
        """Write many new entries at once; shape (n,), (n,) and (n, bytes)."""
        self.widen(int(slots.max(initial=-1)) + 1)
        order = np.argsort(lists, kind="stable")
        ends = np.searchsorted(lists[order], np.arange(self.nlist + 1))
        for number in np.flatnonzero(np.diff(ends)).tolist():
            part = order[ends[number] : ends[number + 1]]  # list by list: all at once takes the memory of all once more
            self.fill(number, slots[part], np.take(codes, part, axis=0))

    def reserve(self, sizes: Rows) -> None:
        """Take at once the memory for so many entries in each list, all of which are empty; shape (lists,)."""
        for number, size in enumerate(sizes.tolist()):
            self._entries.resize(number, size)
            self._entries.resize(number, 0)

    def drop(self, slots: Rows) -> None:
        """Take entries away; slots in which nothing lies are passed over."""
        slots = slots[self.has(slots)]
        lobby, blank = np.full(len(slots), self.nlist), np.zeros((len(slots), self._faiss.code_size), np.uint8)
        self._map.update_codes(self._entries, len(slots), faiss.swig_ptr(slots), faiss.swig_ptr(lobby), faiss.swig_ptr(blank))
        self._entries.resize(self.nlist, 0)
        self._where[slots] = ABSENT
        self._faiss.ntotal -= len(slots)

    def search(
        self,
        queries: Vectors,
        depth: int,
        nprobe: int,
        without: Rows | None = None,
        only: Codes | None = None,
        keys: Rows | None = None,
    ) -> Scored:
        """The best of the `nprobe` likeliest lists of each query.

        Args:
            without: slots that are not looked at.
            only: a bit for each slot that is looked at, see `Matches.bits`.
            keys: the lists to look at instead, -1 for none; shape (queries, nprobe).
        """
        return scanned(self._faiss, queries, depth, nprobe, selector([] if only is None else [only], without), keys)

    def nearest_first(self, queries: Vectors) -> Rows:
        """All lists, the likeliest first, for each query; shape (queries, lists)."""
        return self.likeliest(queries, self.nlist)

    def likeliest(self, queries: Vectors, nprobe: int) -> Rows:
        """The `nprobe` likeliest lists, the likeliest first, for each query; shape (queries, nprobe)."""
        numbers: Rows = self._quantizer.search(longer(queries, self._faiss.d), nprobe)[1]
        return numbers

    def has(self, slots: Rows) -> npt.NDArray[np.bool_]:
        """Whether something lies in each slot; shape (n,)."""
        known = slots < len(self._where)
        known[known] = self._where[slots[known]] != ABSENT
        return known

    def vectors(self, slots: Rows) -> Vectors:
        """The vectors in these slots, in order, shape (n, dim); each holds one."""
        where = self._where[slots]
        order = np.argsort(where, kind="stable")
        runs = np.split(order, np.flatnonzero(np.diff(where[order] >> LIST)) + 1)
        if len(slots) < RUN * len(runs):
            found: Vectors = self._faiss.reconstruct_batch(slots)
            return np.ascontiguousarray(found[:, : self.dim])
        codes = np.empty((len(slots), self._width), np.uint8)
        for rows in runs:
            # Where others lie beneath, `where` counts these alone.
            codes[rows] = Lists.entries(self, int(where[rows[0]] >> LIST))[1][where[rows] & (1 << LIST) - 1]
        return np.ascontiguousarray(self.decoded(codes))

    def entries(self, number: int) -> tuple[Rows, Codes]:
        """Views on the slots and codes of a list: good until the next change."""
        size, width = self._entries.list_size(number), self._faiss.code_size
        if not size:
            return np.empty(0, np.int64), np.empty((0, self._width), np.uint8)
        codes = faiss.rev_swig_ptr(self._entries.get_codes(number), size * width).reshape(size, width)
        return faiss.rev_swig_ptr(self._entries.get_ids(number), size), codes[:, : self._width]

    def held(self) -> Held:
        """All vectors; with one list of them and no codec a view, good until the next change."""
        lists = [self.entries(number) for number in range(self.nlist)]
        if len(lists) == 1:
            return Held(self.decoded(lists[0][1]), lists[0][0])
        return Held(np.concatenate([self.decoded(codes) for _, codes in lists]), np.concatenate([slots for slots, _ in lists]))

    def held_slots(self) -> Rows:
        """The slots in which something lies, ascending."""
        return np.flatnonzero(self._where != ABSENT)

    def place(self, slots: Rows) -> Rows:
        """The list of each of these slots, in each of which something lies; shape (n,)."""
        return self._where[slots] >> LIST

    def sizes(self) -> Rows:
        """How many entries each list has, shape (lists,)."""
        return np.array([self._entries.list_size(number) for number in range(self.nlist)], np.int64)

    @property
    def mapped(self) -> Path | None:
        """The file that most of them lie in, if they do: then it stays as it is, and so do the centroids."""
        return None

    def told(self) -> dict[str, int | str]:
        """Where they lie, for people, if not in memory of their own."""
        return {}

    def recentre(self, numbers: Rows, centroids: Vectors) -> None:
        """Other centroids for some lists, whose entries stay where they are; shape (numbers, dim); UsageError if mapped."""
        refuse_mapped(self.mapped, "other centroids")
        self._nearest.move(numbers, centroids)
        memory(self._quantizer)[numbers, : self.dim] = centroids / self.scale

    def deepen(self, deep: float) -> None:
        """Look so many times as deep, where what is found has to be put in order; see `Dial`."""
        self.deep = deep

    def _reach(self, slots: Rows) -> None:
        width = int(slots.max()) + 1
        if width > len(self._where):
            self.widen(max(width, len(self._where) * 5 // 4))

    def widen(self, width: int) -> None:
        """Have room for the slots below this one."""
        if width <= len(self._where):
            return
        before = len(self._where)
        self._map.array.resize(width)
        self._where = faiss.rev_swig_ptr(self._map.array.data(), width)
        self._where[before:] = ABSENT
