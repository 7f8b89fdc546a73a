"""All vectors in one tensor on a device, a row per slot, written in place."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ratoon.domain.dial import Codec
from ratoon.domain.embedding import Vectors
from ratoon.index.gpu.place import Place
from ratoon.index.items.slots import Rows

KINDS: dict[Codec, torch.dtype] = {"flat": torch.float32, "fp16": torch.float16}
LEAST = 1_024
"""Rows that a tensor has at least."""

WRITTEN = 2**26
"""Bytes of float32 that are brought to the device at once."""

ROUNDED = 1.001
"""Above what rounding takes off a length in float32."""


class Matrix:
    """Rows by slot. For one thread.

    Attributes:
        place, codec: where and how they lie.
        rows: shape (capacity, dim); what is in a slot that is not held means nothing.
        width: one more than the highest slot that was ever written.
        longest: no vector that was written is longer.
    """

    def __init__(self, place: Place, dim: int, codec: Codec, room: int = LEAST) -> None:
        self.place, self.codec, self.dim = place, codec, dim
        self.rows = place.zeros(max(room, LEAST), dim, KINDS[codec])
        self.width, self.longest = 0, 0.0
        self._held = np.zeros(len(self.rows), np.bool_)
        self._empty: Rows = np.empty(0, np.int64)

    @property
    def empty(self) -> Rows:
        """The slots below `width` in which nothing lies, ascending."""
        return self._empty

    def make_room(self, width: int) -> None:
        """Let slots up to `width` be written, twice as many as before if there are too few; StoreError if they do not fit."""
        if width > len(self.rows):
            grown = self.place.zeros(max(width, 2 * len(self.rows)), self.dim, self.rows.dtype)
            grown[: self.width].copy_(self.rows[: self.width])
            self.rows, self._held = grown, np.append(self._held, np.zeros(len(grown) - len(self._held), np.bool_))

    def put(self, slots: Rows, vectors: npt.NDArray[Any]) -> None:
        """Write rows; StoreError before anything is written if they do not fit.

        Args:
            slots: without duplicates, shape (n,).
            vectors: shape (n, dim), float32 or as they are kept.
        """
        if not len(slots):
            return
        width = max(self.width, int(slots.max()) + 1)
        self.make_room(width)
        for part in self._parts(len(slots)):
            written = _tensor(vectors[part]).to(self.rows.dtype).to(self.place.device)
            self.longest = max(self.longest, _longest(written))
            self.rows.index_copy_(0, self.sent(slots[part]), written)
        new = slots[~self._held[slots]]
        self._held[new] = True
        self._empty = np.setdiff1d(np.append(self._empty, np.arange(self.width, width)), new, assume_unique=True)
        self.width = width

    def drop(self, slots: Rows) -> None:
        """Empty slots; those in which nothing lies are passed over."""
        slots = slots[slots < self.width]
        self._held[slots] = False
        self._empty = np.union1d(self._empty, slots)

    def vectors(self, slots: Rows) -> Vectors:
        """A copy of some rows, float32, shape (n, dim)."""
        found: Vectors = self.rows.index_select(0, self.sent(slots)).float().cpu().numpy()
        return found

    def codes(self, slots: Rows) -> npt.NDArray[np.generic]:
        """A copy of some rows as they are kept, shape (n, dim)."""
        found: npt.NDArray[np.generic] = self.rows.index_select(0, self.sent(slots)).cpu().numpy()
        return found

    def sent(self, array: npt.NDArray[Any]) -> Tensor:
        """An array on the device."""
        return _tensor(array).to(self.place.device)

    def copy(self, codec: Codec | None = None) -> "Matrix":
        """The same rows in memory of their own, kept in another way if one is given; `longest` is made anew."""
        other = Matrix(self.place, self.dim, codec or self.codec, self.width)
        other.rows[: self.width].copy_(self.rows[: self.width])
        other.width, other._empty = self.width, self._empty
        other._held[: self.width] = self._held[: self.width]
        held = np.flatnonzero(other._held)
        for part in self._parts(len(held)):
            other.longest = max(other.longest, _longest(other.rows.index_select(0, self.sent(held[part]))))
        return other

    def _parts(self, count: int) -> Iterator[slice]:
        step = max(1, WRITTEN // (4 * self.dim))
        return (slice(first, first + step) for first in range(0, count, step))


def _tensor(array: npt.NDArray[Any]) -> Tensor:
    # torch warns of memory that it may read and not write, as files are read into.
    return torch.from_numpy(np.ascontiguousarray(array) if array.flags.writeable else array.copy())


def _longest(rows: Tensor) -> float:
    return float(torch.linalg.vector_norm(rows.float(), dim=1).max()) * ROUNDED
