"""The vectors of a snapshot in a file that any number of processes map: one copy of them in a machine's memory.

FAISS looks at the file's pages where they are (`IO_FLAG_MMAP_IFC`); it aborts if it is told to change them. So nothing here does.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import finalize

import faiss
import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows
from ratoon.index.ivf.eights import longer
from ratoon.index.ivf.lists import Codes
from ratoon.index.ivf.scanning import Scored, scanned, selector
from ratoon.index.ivf.shape import Shape, made, quantizer


class Base:
    """Entries in slots from 0 on, without gaps. Any number of threads may read it.

    As long as it is there its file has a shared lock (flock), by which others know that it is needed.

    Args:
        path: FAISS's file of what `filled` made.
        shape: of what was written.

    Attributes:
        sizes: how many entries each list has, shape (lists,).
    """

    def __init__(self, path: Path, shape: Shape) -> None:
        self.path, self.shape = path, shape
        handle = os.open(path, os.O_RDONLY)
        finalize(self, os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_SH)
        self._faiss = _opened(path)
        self._entries = self._faiss.invlists
        self._width = shape.centroids.shape[1] * self._faiss.code_size // self._faiss.d
        self.sizes: Rows = np.array([self._entries.list_size(number) for number in range(len(shape.centroids))], np.int64)
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._at = np.empty(len(self), np.int32)  # of the entry of each slot, counted from the first list's first
        for number in np.flatnonzero(self.sizes).tolist():
            self._at[self.entries(number)[0]] = np.arange(self.sizes[number]) + self._starts[number]
        self._windows, self._begins = self._read()

    def __len__(self) -> int:
        """How many vectors it holds."""
        return int(self._faiss.ntotal)

    def _read(self) -> tuple[Codes, Rows]:
        """As many bytes as a code has from each byte of the lists on, and where among them each list's codes begin."""
        taken, width = np.flatnonzero(self.sizes).tolist(), self._faiss.code_size
        begins = np.zeros(len(self.sizes), np.int64)
        if not taken:
            return np.empty((0, width), np.uint8), begins
        pointers = [self._entries.get_codes(number) for number in taken]
        begins[taken] = [int(pointer) for pointer in pointers]
        begins[taken] -= begins[taken[0]]
        memory = faiss.rev_swig_ptr(pointers[0], int(begins[taken[-1]] + self.sizes[taken[-1]] * width))
        return np.lib.stride_tricks.sliding_window_view(memory, width), begins

    def search(self, queries: Vectors, depth: int, keys: Rows, bits: Sequence[Codes] = (), without: Rows | None = None) -> Scored:
        """The best entries of some lists; see `selector`.

        Args:
            keys: the lists to look at, -1 for none; shape (queries, nprobe).
        """
        return scanned(self._faiss, queries, depth, keys.shape[1], selector(bits, without), keys)

    def entries(self, number: int) -> tuple[Rows, Codes]:
        """Views on the slots and codes of a list, which cannot be written to; good as long as this is there."""
        size, width = int(self.sizes[number]), self._faiss.code_size
        if not size:
            return np.empty(0, np.int64), np.empty((0, self._width), np.uint8)
        slots = faiss.rev_swig_ptr(self._entries.get_ids(number), size)
        codes = faiss.rev_swig_ptr(self._entries.get_codes(number), size * width).reshape(size, width)
        slots.flags.writeable = codes.flags.writeable = False
        return slots, codes[:, : self._width]

    def place(self, slots: Rows) -> Rows:
        """The list of each of these slots; shape (n,)."""
        lists: Rows = np.searchsorted(self._starts, self._at[slots], side="right") - 1
        return lists

    def codes(self, slots: Rows) -> Codes:
        """A copy of what is in these slots, in order; shape (n, bytes)."""
        lists = self.place(slots)
        codes: Codes = self._windows[self._begins[lists] + (self._at[slots] - self._starts[lists]) * self._faiss.code_size]
        return codes[:, : self._width]


def _opened(path: Path) -> Any:
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)


def filled(shape: Shape, lists: Rows, codes: Codes) -> Any:
    """A FAISS index to be written: the code of each slot, shape (n, bytes), in its list, shape (n,)."""
    index = made(quantizer(shape), len(shape.centroids), shape)
    order = np.argsort(lists, kind="stable")
    for slots in np.split(order, np.searchsorted(lists[order], np.arange(1, len(shape.centroids)))):
        if len(slots):
            own = longer(codes[slots], index.code_size)
            index.invlists.add_entries(int(lists[slots[0]]), len(slots), faiss.swig_ptr(slots), faiss.swig_ptr(own))
    index.ntotal = len(lists)
    return index
