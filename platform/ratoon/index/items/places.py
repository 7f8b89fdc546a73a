"""Which item has which slot, and the ids by slot."""

from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import repeat

import numpy as np
import numpy.typing as npt

from ratoon.index.items.cards import Lately
from ratoon.index.items.names import Names

Rows = npt.NDArray[np.int64]
"""Slots, int64, shape (n,)."""


class Places:
    """Item id -> slot, from 0.

    A new item takes the slot that was freed last, or the next one; an item keeps its slot as long as it is held. Slots mean
    nothing outside the index that they belong to.

    Attributes:
        ids: by slot; that of a free slot means nothing.
    """

    def __init__(self) -> None:
        self.ids = Names()
        self._slot: dict[str, int] = {}
        self._free: list[int] = []
        self._lately = Lately()

    def __len__(self) -> int:
        """How many items there are."""
        return len(self._slot)

    def __iter__(self) -> Iterator[str]:
        """The items, in no order that means anything."""
        return iter(list(self._slot))

    def __contains__(self, item_id: object) -> bool:
        """Whether this item has a slot."""
        return item_id in self._slot

    def find(self, ids: Iterable[str]) -> Rows:
        """The slots of those ids that are held, in order and without duplicates."""
        once = ids if isinstance(ids, Set) else dict.fromkeys(ids)
        return np.array([slot for slot in map(self._slot.get, once) if slot is not None], dtype=np.int64)

    def of(self, ids: Sequence[str]) -> Rows:
        """The slot of each id, in order; KeyError for an id that is not held."""
        return np.array([self._slot[item] for item in ids], dtype=np.int64)

    def look_up(self, ids: Sequence[str]) -> Rows:
        """The slot of each id, in order; -1 for one that is not held."""
        return np.fromiter(map(self._slot.get, ids, repeat(-1)), np.int64, len(ids))

    def by_id(self) -> Rows:
        """The slots of all items, in the order of their ids."""
        return np.array([self._slot[item] for item in sorted(self._slot)], dtype=np.int64)

    def packed(self) -> Rows:
        """The slots of all items: each in the place of its number, as far as there are items, the others where slots are free."""
        taken, count = self.taken(), len(self._slot)
        order = np.full(count, -1)
        low = taken[taken < count]
        order[low] = low
        order[order < 0] = taken[taken >= count]
        return order

    def taken(self) -> Rows:
        """The slots of all items, ascending."""
        return np.sort(np.fromiter(self._slot.values(), np.int64, len(self._slot)))

    def named(self, slots: Rows) -> list[str]:
        """The ids in some slots, in order, as the newest answer; whoever asks keeps slots from being reused meanwhile."""
        ids = self.ids.take(slots)
        self._lately.remember(ids, slots)
        return ids

    def _take(self, item: str) -> int:
        """A slot for a new item."""
        if self._free:
            slot = self._free.pop()
            self.ids[slot] = item
        else:
            slot = len(self.ids)
            self.ids.append(item)
        return slot

    def reuse(self, slots: Rows) -> None:
        """Give away slots of items that were taken away: whoever looks up what was in them must be gone by now."""
        self._lately.forget()
        self._free.extend(slots.tolist())
