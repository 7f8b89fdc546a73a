"""Where each of many strings stands among them, without a Python object for any of them.

A dictionary of a million ids takes a second and 180 MB to make, and whoever reads from it writes to it: Python counts references
where the object lies, so that processes that were forked to share it end up with copies. Here are arrays, which reading leaves
alone: the strings' own hashes in order, and for each the place of its string.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Rows = npt.NDArray[np.int64]
"""Shape (n,)."""

AT_ONCE = 16_384
"""Strings that are made or hashed in one go: other threads wait for it, some milliseconds."""

FEW = 8
"""Fewer strings than these are looked up one by one."""

BITS, WHOLE = 64, (1 << 64) - 1


class Places:
    """String -> its place, counted from 0; of one that occurs more than once, any of its places.

    Good in the process that made it and those forked from it: Python hashes strings differently in every other. Immutable, so
    any number of threads may ask.

    Args:
        names: none of them null.
    """

    def __init__(self, names: pa.StringArray) -> None:
        self._names = names
        hashes = np.empty(len(names), np.int64)
        for first in range(0, len(names), AT_ONCE):
            part = names.slice(first, AT_ONCE)
            hashes[first : first + len(part)] = _hashed(part.to_pylist())
        order = np.argsort(hashes.view(np.uint64))
        self._hashes, self._order = hashes.view(np.uint64)[order], order.astype(np.int32)
        # Two buckets for each string: what is looked up is the first of its bucket, or the next.
        width = len(names).bit_length() + 1
        self._shift = np.uint64(BITS - width)
        counts = np.bincount((self._hashes >> self._shift).astype(np.int64), minlength=1 << width)
        self._starts = np.zeros((1 << width) + 1, np.int32)
        np.cumsum(counts, out=self._starts[1:])
        # One entry of a memoryview is read several times faster than one of an array.
        self._one = int(self._shift), self._starts.data, self._hashes.data, self._order.data

    def __len__(self) -> int:
        """How many strings there are."""
        return len(self._names)

    @property
    def names(self) -> pa.StringArray:
        """The strings."""
        return self._names

    def distinct(self) -> int:
        """How many strings there are that are not equal."""
        twins = np.flatnonzero(self._hashes[1:] == self._hashes[:-1])
        alike = self._names.take(pa.array(self._order[np.union1d(twins, twins + 1)]))
        return len(self) - len(alike) + len(set(alike.to_pylist()))

    def of(self, name: str) -> int:
        """A string's place; -1 if it is not among them."""
        shift, starts, hashes, order = self._one
        wanted = hash(name) & WHOLE
        bucket = wanted >> shift
        for at in range(starts[bucket], starts[bucket + 1]):
            if hashes[at] == wanted and self._names[order[at]].as_py() == name:
                return order[at]
        return -1

    def of_all(self, names: Sequence[str]) -> Rows:
        """The place of each string, in order; -1 for one that is not among them."""
        if len(names) < FEW:
            return np.array([self.of(name) for name in names], np.int64)
        found = np.empty(len(names), np.int64)
        for first in range(0, len(names), AT_ONCE):
            found[first : first + AT_ONCE] = self._of_some(names[first : first + AT_ONCE])
        return found

    def _of_some(self, names: Sequence[str]) -> Rows:
        wanted, found = _hashed(names).view(np.uint64), np.full(len(names), -1)
        buckets = (wanted >> self._shift).astype(np.int64)
        at, ends = self._starts[buckets], self._starts[buckets + 1]
        left = np.flatnonzero(at < ends)
        while len(left):
            same = self._hashes[at[left]] == wanted[left]
            hits = left[same]
            found[hits] = self._order[at[hits]]
            at[left] += 1
            left = left[~same & (at[left] < ends[left])]
        there = np.flatnonzero(found >= 0)
        for place, name in zip(there.tolist(), self._names.take(pa.array(found[there])).to_pylist(), strict=True):
            if names[place] != name:  # the hash of another
                found[place] = self.of(names[place])
        return found


def _hashed(names: Sequence[str]) -> Rows:
    return np.fromiter(map(hash, names), np.int64, len(names))
