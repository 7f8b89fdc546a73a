"""Ids by slot."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


class Names:
    """A growing array of ids, of which many at once are taken several times faster than from a list."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._array = np.empty(max(len(names), 16), object)
        self._array[: len(names)] = names
        self._length = len(names)

    def __len__(self) -> int:
        """How many there are."""
        return self._length

    def __getitem__(self, slot: int) -> str:
        """The id in a slot."""
        return str(self._array[slot])

    def __setitem__(self, slot: int, name: str) -> None:
        """Another id for a slot."""
        self._array[slot] = name

    def append(self, name: str) -> None:
        """An id for the next slot."""
        if self._length == len(self._array):
            self._array = np.append(self._array, np.empty(self._length, object))
        self._array[self._length] = name
        self._length += 1

    def take(self, slots: npt.NDArray[np.int64]) -> list[str]:
        """The ids in some slots, in order."""
        names: list[str] = self._array[slots].tolist()
        return names

    def copy(self) -> "Names":
        """The same ids, changed apart from these from now on."""
        other = Names()
        other._array, other._length = self._array.copy(), self._length
        return other
