"""A column's values by slot: what a snapshot said in Arrow, what was said since as Python's."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

AT_ONCE = 16_384
"""Values that are made in one go: other threads wait for it, some milliseconds."""

FEW = 4
"""Fewer values than these are taken one by one."""

MISSING = object()


class Column(Sequence[object]):
    """A growing array of values. Reading it writes nothing, so that processes can share it.

    One thread at a time may change it while others read.

    Args:
        told: the first values.
        length: how many there are; what is not told is None.
    """

    def __init__(self, told: pa.Array, length: int) -> None:
        self._told, self._length = told, length
        self._own: dict[int, object] = {}
        self._written = np.zeros(len(told), np.bool_)  # those of `_told` that do not count

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> "Column":
        """A table's column."""
        if values.num_chunks == 1:
            return cls(values.chunk(0), len(values))
        # More than one chunk there may be of strings that are too long for one of their type.
        wide = values.cast(pa.large_string()) if pa.types.is_string(values.type) else values
        return cls(wide.combine_chunks(), len(values))

    def __len__(self) -> int:
        """How many there are."""
        return self._length

    def __getitem__(self, slot: int) -> object:  # type: ignore[override]  # no slices
        """The value in a slot."""
        own = self._own.get(slot, MISSING)
        if own is not MISSING:
            return own
        return self._told[slot].as_py() if slot < len(self._told) else None

    def __setitem__(self, slot: int, value: object) -> None:
        """Another value for a slot."""
        self._own[slot] = value
        if slot < len(self._told):
            self._written[slot] = True

    def __iter__(self) -> Iterator[object]:
        """All values, in order."""
        for first in range(0, self._length, AT_ONCE):
            yield from self.take(np.arange(first, min(first + AT_ONCE, self._length)))

    def grow(self, length: int) -> None:
        """Have so many values; the new ones are None."""
        self._length = length

    def take(self, slots: npt.NDArray[np.int64]) -> list[object]:
        """The values in some slots, in order."""
        if len(slots) < FEW:
            return [self[slot] for slot in slots.tolist()]
        if not len(self._told):
            return [self._own.get(slot) for slot in slots.tolist()]
        told = np.minimum(slots, len(self._told) - 1)
        values: list[object] = self._told.take(pa.array(told)).to_pylist()
        for place in np.flatnonzero((told != slots) | self._written[told]).tolist():
            values[place] = self._own.get(int(slots[place]))
        return values

    def array(self, slots: npt.NDArray[np.int64], kind: pa.DataType) -> pa.Array:
        """The same in Arrow, of a type that they have."""
        if self._own or self._length > len(self._told) or self._told.type != kind:
            return pa.array(self.take(slots), kind)
        return self._told.take(pa.array(slots))

    def copy(self) -> "Column":
        """The same values, changed apart from these from now on."""
        other = Column(self._told, self._length)
        other._own, other._written = dict(self._own), self._written.copy()
        return other
