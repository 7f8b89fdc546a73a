"""Vectors in the lists of their nearest centroids: FAISS inverted files (Jégou, Douze and Schmid 2011), changed in place by slot.

FAISS scans and FAISS moves entries from list to list, many at once; which list, which slot and when is said here. No FAISS
map allows both to replace and to take away. So every list index has one list more than centroids, the lobby, where no query
looks: what is new enters through it, and what goes leaves through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from ratoon.domain.dial import Codec
from ratoon.domain.embedding import Vectors
from ratoon.index.answers.held import Held
from ratoon.index.checks import refuse_mapped
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.nearest import Nearest, memory

Codes = npt.NDArray[np.uint8]
"""Encoded vectors, shape (n, bytes)."""

Scored = tuple[Vectors, Rows]
"""Scores, falling, and slots, -1 where there is no more; shape (queries, depth) each."""

LIST = 32
"""The bits of a place above these are the list's number, those below the entry's."""

ABSENT = -1


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What two list indexes have in common if entries can be carried from one to the other.

    Attributes:
        centroids: of the vectors times `scale`, shape (lists, dim).
        scale: of each dimension where vectors are compared with each other, shape (dim,).
        codec: how entries are kept.
        usual: the mean squared distance of scaled vectors from their centroids when these were made.
        trained: what the codec has learnt: for `sq8` the least value and the span of each dimension; otherwise empty.
    """

    centroids: Vectors
    scale: Vectors
    usual: float
    codec: Codec
    trained: Vectors

    def alike(self, other: "Shape") -> bool:
        """Whether entries of one mean the same in the other, except for where the centroids are."""
        return (
            self.codec == other.codec
            and self.usual == other.usual
            and self.centroids.shape == other.centroids.shape
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.trained, other.trained)
        )


class Lists:
    """One copy of the vectors. Any number of threads may search it, as long as none changes it."""

    def __init__(self, shape: Shape) -> None:
        self.nlist, self.dim = shape.centroids.shape
        self.codec, self.scale, self.usual, self._trained = shape.codec, shape.scale, shape.usual, shape.trained
        self._quantizer: Any = faiss.IndexFlatIP(self.dim)
        self._quantizer.add(shape.centroids / shape.scale)
        self._nearest = Nearest(shape.centroids)
        self._faiss = made(self._quantizer, self.nlist + 1, shape)
        self._faiss.set_direct_map_type(faiss.DirectMap.Array)  # type: ignore[attr-defined]  # missing in FAISS's stubs
        self._entries, self._map = self._faiss.invlists, self._faiss.direct_map
        self._where: Rows = np.empty(0, np.int64)

    def __len__(self) -> int:
        """How many vectors it holds."""
        return int(self._faiss.ntotal)

    @property
    def shape(self) -> Shape:
        """What it was made of, with the centroids of now."""
        return Shape(self.centroids.copy(), self.scale, self.usual, self.codec, self._trained)

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
        nowhere = np.zeros(len(vectors), np.int64)
        self._faiss.encode_vectors(len(vectors), faiss.swig_ptr(vectors), faiss.swig_ptr(nowhere), faiss.swig_ptr(codes))
        return codes

    def decoded(self, codes: Codes) -> Vectors:
        """The vectors that are searched in place of those that were encoded; a view where nothing was lost."""
        if self.codec == "flat":
            return codes.view(np.float32)
        if self.codec == "fp16":
            return codes.view(np.float16).astype(np.float32)
        vectors: Vectors = self._faiss.sq.decode(codes)
        return vectors

    def put(self, slots: Rows, lists: Rows, codes: Codes) -> None:
        """Write entries, over those that lie in these slots or as new ones.

        Args:
            slots: without duplicates.
        """
        if not len(slots):
            return
        self._reach(slots)
        new = slots[self._where[slots] == ABSENT]
        if len(new):
            self.fill(self.nlist, new, codes[: len(new)])  # what it says there is of no account
        self._map.update_codes(self._entries, len(slots), faiss.swig_ptr(slots), faiss.swig_ptr(lists), faiss.swig_ptr(codes))

    def fill(self, number: int, slots: Rows, codes: Codes) -> None:
        """Append new entries to one list, which takes the memory that they need and no more."""
        self._reach(slots)
        self._where[slots] = (number << LIST) + self._entries.list_size(number) + np.arange(len(slots))
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
        numbers: Rows = self._quantizer.search(queries, self.nlist)[1]
        return numbers

    def has(self, slots: Rows) -> npt.NDArray[np.bool_]:
        """Whether something lies in each slot; shape (n,)."""
        known = slots < len(self._where)
        known[known] = self._where[slots[known]] != ABSENT
        return known

    def vectors(self, slots: Rows) -> Vectors:
        """The vectors in these slots, in order, shape (n, dim); each holds one."""
        found: Vectors = self._faiss.reconstruct_batch(slots)
        return found

    def entries(self, number: int) -> tuple[Rows, Codes]:
        """Views on the slots and codes of a list: good until the next change."""
        size, width = self._entries.list_size(number), self._faiss.code_size
        if not size:
            return np.empty(0, np.int64), np.empty((0, width), np.uint8)
        codes = faiss.rev_swig_ptr(self._entries.get_codes(number), size * width)
        return faiss.rev_swig_ptr(self._entries.get_ids(number), size), codes.reshape(size, width)

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
        memory(self._quantizer)[numbers] = centroids / self.scale

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


def selector(bits: Sequence[Codes], without: Rows | None = None) -> Any:
    """What FAISS asks which slots to look at: those whose bit is set in all of `bits` and that are not in `without`."""
    sels: list[Any] = [faiss.IDSelectorBitmap(one) for one in bits]  # type: ignore[call-arg, arg-type]  # as are arrays
    if without is not None:
        sels.append(faiss.IDSelectorNot(faiss.IDSelectorBatch(without)))
    return reduce(faiss.IDSelectorAnd, sels) if sels else None


def scanned(index: Any, queries: Vectors, depth: int, nprobe: int, sel: Any, keys: Rows | None) -> Scored:
    """The best entries of some lists of a FAISS index; see `Lists.search`."""
    scores, slots = np.empty((len(queries), depth), np.float32), np.empty((len(queries), depth), np.int64)
    if keys is None:
        params = _probing(nprobe) if sel is None else faiss.SearchParametersIVF(nprobe=nprobe, sel=sel)  # type: ignore[call-arg]
        # Past FAISS's own wrapper, which checks once more what was checked, and takes as long as it takes to look into a list.
        index.search_c(len(queries), faiss.swig_ptr(queries), depth, faiss.swig_ptr(scores), faiss.swig_ptr(slots), params)
        return scores, slots
    params = faiss.SearchParametersIVF(nprobe=nprobe, sel=sel)  # type: ignore[call-arg]  # missing in FAISS's stubs
    given = [queries, depth, keys, np.zeros(keys.shape, np.float32), scores, slots]
    pointers = [faiss.swig_ptr(one) if isinstance(one, np.ndarray) else one for one in given]
    index.search_preassigned_c(len(queries), *pointers, False, params)
    return scores, slots


@cache
def _probing(nprobe: int) -> Any:
    """How many lists to look at, and nothing else; a search only reads it."""
    return faiss.SearchParametersIVF(nprobe=nprobe)  # type: ignore[call-arg]  # missing in FAISS's stubs


def made(quantizer: Any, lists: int, shape: Shape) -> Any:
    """A FAISS index of so many empty lists."""
    dim = shape.centroids.shape[1]
    index: Any
    if shape.codec == "flat":
        index = faiss.IndexIVFFlat(quantizer, dim, lists, faiss.METRIC_INNER_PRODUCT)
    else:
        kind = faiss.ScalarQuantizer.QT_fp16 if shape.codec == "fp16" else faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(quantizer, dim, lists, kind, faiss.METRIC_INNER_PRODUCT, False)
        faiss.copy_array_to_vector(shape.trained, index.sq.trained)
    # FAISS counts lists and centroids, and finds one centroid too few where there is a lobby, which has none.
    index.is_trained = True
    return index
