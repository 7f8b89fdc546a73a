"""Ids by slot, and slots by id: those that a snapshot said in arrays, those that came since as Python's."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.places import Places

Slots = npt.NDArray[np.int64]
"""Shape (n,)."""

NONE = pa.nulls(0, pa.string())

WIDEST = 64
"""Bytes of the longest id up to which all are kept as wide as it is, too."""
ASCII = 128
"""The least byte that it has not got."""


class Names:
    """A growing array of ids, of which many are taken at once. Reading it writes nothing, so that processes can share it.

    Args:
        told: the first ones.
    """

    def __init__(self, told: pa.StringArray = NONE) -> None:
        self._told, self._length = told, len(told)
        self._even = even(told)
        self._own: dict[int, str] = {}
        self._written = np.zeros(len(told), np.bool_)  # those of `_told` that do not count

    def __len__(self) -> int:
        """How many there are."""
        return self._length

    def __getitem__(self, slot: int) -> str:
        """The id in a slot."""
        own = self._own.get(slot)
        return str(self._told[slot]) if own is None else own

    def __setitem__(self, slot: int, name: str) -> None:
        """Another id for a slot."""
        self._own[slot] = name
        if slot < len(self._told):
            self._written[slot] = True

    def append(self, name: str) -> None:
        """An id for the next slot."""
        self._own[self._length] = name
        self._length += 1

    def take(self, slots: Slots) -> list[str]:
        """The ids in some slots, in order; empty where there is none yet, as in what a device answers beyond the last."""
        if not len(self._told):
            return [self._own.get(slot, "") for slot in slots.tolist()]
        if not self._own and slots.max(initial=0) < self._length:
            return self._take(slots)
        told = np.minimum(slots, len(self._told) - 1)
        names = self._take(told)
        for place in np.flatnonzero((told != slots) | self._written[told]).tolist():
            names[place] = self._own.get(int(slots[place]), "")
        return names

    def _take(self, slots: Slots) -> list[str]:
        names: list[str] = self._told.take(pa.array(slots)).to_pylist() if self._even is None else _texts(self._even[slots])
        return names

    def array(self, slots: Slots) -> pa.Array:
        """The same in Arrow."""
        if self._own:
            return pa.array(self.take(slots), pa.string())
        return self._told.take(pa.array(slots))

    def copy(self) -> "Names":
        """The same ids, changed apart from these from now on."""
        other = Names.__new__(Names)
        other._told, other._even, other._length = self._told, self._even, self._length
        other._own, other._written = dict(self._own), self._written.copy()
        return other


def even(told: pa.StringArray) -> npt.NDArray[np.bytes_] | None:
    """The ids all as wide as the longest: a hundred of them are then read in a third of the time.

    None if there are none, if one is longer than WIDEST bytes, or if they are not all plain ASCII.
    """
    bounds = np.frombuffer(told.buffers()[1] or b"", np.int32)[told.offset : told.offset + len(told) + 1].astype(np.int64)
    widths = np.diff(bounds)
    if not len(told) or not 0 < (width := int(widths.max())) <= WIDEST:
        return None
    data = np.frombuffer(told.buffers()[2], np.uint8)[bounds[0] : bounds[-1]]
    if data.min() == 0 or data.max() >= ASCII:  # NumPy ends a text before its last zeros
        return None
    made = np.zeros((len(told), width), np.uint8)
    made[np.arange(width) < widths[:, None]] = data
    return made.view(f"S{width}")[:, 0]


def _texts(names: npt.NDArray[np.bytes_]) -> list[str]:
    texts: list[str] = names.astype(np.str_).tolist()
    return texts


class Numbers:
    """Id -> slot. One thread at a time may change it while others look up.

    Args:
        told: the first ones, each in the slot of its place.
    """

    def __init__(self, told: Places | None = None) -> None:
        self._told = told or Places(NONE)
        self._own: dict[str, int] = {}
        self._gone = np.zeros(len(self._told), np.bool_)  # those of `_told` that do not count
        self._left = len(self._told)

    def __len__(self) -> int:
        """How many there are."""
        return self._left + len(self._own)

    def __iter__(self) -> Iterator[str]:
        """The ids, in no order that means anything."""
        yield from list(self._own)
        yield from self._told.names.filter(pa.array(~self._gone)).to_pylist()

    def __contains__(self, name: object) -> bool:
        """Whether an id has a slot."""
        return isinstance(name, str) and self.get(name) is not None

    def __getitem__(self, name: str) -> int:
        """An id's slot; KeyError if it has none."""
        if (slot := self.get(name)) is None:
            raise KeyError(name)
        return slot

    def __delitem__(self, name: str) -> None:
        """Take an id's slot away; KeyError if it has none."""
        if name in self._own:
            del self._own[name]
        else:
            self._gone[self[name]] = True
            self._left -= 1

    def get(self, name: str) -> int | None:
        """An id's slot; None if it has none."""
        slot = self._own.get(name)
        if slot is not None:
            return slot
        told = self._told.of(name)
        return None if told < 0 or self._gone[told] else told

    def look_up(self, names: Sequence[str]) -> Slots:
        """The slot of each id, in order; -1 for one that has none."""
        slots = self._told.of_all(names)
        slots[(slots >= 0) & self._gone[slots] if len(self._gone) else slots >= 0] = -1
        if self._own:
            for place, name in enumerate(names):
                slots[place] = self._own.get(name, slots[place])
        return slots

    def of(self, names: Sequence[str]) -> Slots:
        """The slot of each id, in order; KeyError for one that has none."""
        slots = self.look_up(names)
        if len(missing := np.flatnonzero(slots < 0)):
            raise KeyError(names[missing[0]])
        return slots

    def add(self, slots: Mapping[str, int]) -> None:
        """Give slots to ids that have none."""
        self._own.update(slots)

    def slots(self) -> Slots:
        """All slots that ids have, ascending."""
        own = np.fromiter(self._own.values(), np.int64, len(self._own))
        return np.sort(np.append(np.flatnonzero(~self._gone), own))

    def packed(self) -> Slots:
        """All slots: each in the place of its number, as far as there are ids, the others where slots are free."""
        taken, count = self.slots(), len(self)
        order = np.full(count, -1)
        low = taken[taken < count]
        order[low] = low
        order[order < 0] = taken[taken >= count]
        return order

    def copy(self) -> "Numbers":
        """The same, changed apart from these from now on."""
        other = Numbers.__new__(Numbers)
        other._told, other._own, other._gone, other._left = self._told, dict(self._own), self._gone.copy(), self._left
        return other
