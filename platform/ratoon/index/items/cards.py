"""What is shown of items, as JSON: of all that were loaded at once, of others when they are first answered or have changed."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic_core import to_json

from ratoon.index.items.block import Block
from ratoon.index.items.names import Names

Card = bytes | memoryview
"""The members `,"item_id": ..., "item": {...}` of a JSON object after its first."""

Rows = npt.NDArray[np.int64]


NOTHING: tuple[Sequence[str], Rows] = (), np.empty(0, np.int64)


class Told(Protocol):
    """What items there are: `Slots`."""

    ids: Names
    edits: int
    lock: Lock

    @property
    def types(self) -> dict[str, pa.DataType]:
        """The type of each column."""

    def taken(self) -> Rows:
        """The slots of all items."""

    def look_up(self, ids: Sequence[str]) -> Rows:
        """The slot of each id; -1 for one that is not held."""

    def values(self, slots: Rows) -> Mapping[str, Sequence[object]]:
        """Every column's values in some slots."""

    def rows(self, ids: Iterable[str]) -> Mapping[str, Mapping[str, object]]:
        """The columns of those of these items that are held."""


class Lately:
    """Where the items of the newest answer lie: what is found is shown next, and to look up where each lies takes a while.

    Threads ask, and remember what they have found while no slot is given to another item; one at a time calls `forget` when
    that is about to happen.
    """

    def __init__(self) -> None:
        self._turn = 0
        self._found: tuple[Sequence[str], Rows] = NOTHING

    def remember(self, ids: Sequence[str], slots: Rows) -> None:
        """These are in these slots."""
        self._found = ids, slots

    def known(self, ids: Sequence[str]) -> tuple[int, Rows]:
        """The slot of each item as far as it is known, else -1; good as long as `still` says so of the number beside."""
        turn = self._turn  # read first: what was forgotten in between is then told by `still`
        found, slots = self._found
        if found[: len(ids)] == ids:  # nearly always
            return turn, slots[: len(ids)]
        places = dict(zip(found, slots.tolist(), strict=True))
        return turn, np.fromiter(map(places.get, ids, repeat(-1)), np.int64, len(ids))

    def still(self, turn: int) -> bool:
        """Whether no slot was given to another item since."""
        return self._turn == turn

    def forget(self) -> None:
        """Some slots are about to be given to other items."""
        self._found = NOTHING  # first, as whoever reads the new number must not read what was known before
        self._turn += 1


class Cards:
    """Slot -> the card of the item in it.

    About 100 bytes for an item of the block, 200 for another that was ever answered. Any number of threads may ask while one
    changes columns: it calls `forget` after a change, and whoever has made a card meanwhile throws it away.

    Attributes:
        lately: where the items of the newest answer lie.
    """

    def __init__(self) -> None:
        self.lately = Lately()
        self._awaited = False
        self.clear()

    def clear(self) -> None:
        """Forget all of them."""
        # The cards of the first slots if they were written at once, and of which that is so: one more, at the end, which no
        # slot of the block is, stands for those that come after it, and at -1 for none.
        self._block: tuple[Block | None, npt.NDArray[np.bool_]] = (None, np.zeros(1, np.bool_))
        self._made: dict[int, bytes] = {}

    def await_all(self) -> None:
        """Many items have come at once: when the first is shown, write the cards of all, a second for a million."""
        self.clear()
        self._awaited = True

    def of(self, told: Told, ids: Sequence[str]) -> list[Card | None]:
        """The card of each of these items, in order; None for one that is not held.

        Args:
            told: knows these items; no slot of it is given to another item meanwhile.
        """
        if self._awaited:
            self._write_all(told)
        turn, slots = self.lately.known(ids)
        if (slots < 0).any():
            slots = told.look_up(ids)
        cards = self.get(slots)
        if not self.lately.still(turn):
            slots = told.look_up(ids)
            cards = self.get(slots)
        # By what is empty: to compare a piece of memory with None takes as long as to copy it.
        return cards if all(cards) else self._with_missing(told, ids, slots, cards)

    def _with_missing(self, told: Told, ids: Sequence[str], slots: Rows, cards: list[Card | None]) -> list[Card | None]:
        before = told.edits
        made = written(told.rows([item for item, card in zip(ids, cards, strict=True) if card is None]))
        kept = {slot: made[item] for item, slot in zip(ids, slots.tolist(), strict=True) if item in made and slot >= 0}
        self._made.update(kept)
        if told.edits != before:
            self.forget(kept)
        return [made.get(item) if card is None else card for item, card in zip(ids, cards, strict=True)]

    def _write_all(self, told: Told) -> None:
        with told.lock:
            if not self._awaited:
                return  # somebody else did
            holds = np.zeros(len(told.ids) + 1, np.bool_)
            holds[told.taken()] = True
            block = Block.of(len(told.ids), lambda slots: (told.ids.take(slots), told.values(slots)), told.types)
            if block is not None:
                self._block = block, holds
            self._awaited = False

    def get(self, slots: Rows) -> list[Card | None]:
        """The cards in these slots, in order, as far as they were made since columns changed last; -1: None."""
        block, all_holds = self._block
        if block is None:
            return list(map(self._made.get, slots.tolist()))
        holds = all_holds[np.minimum(slots, len(block))]
        if holds.all():
            return [*block.cut(slots)]
        cards: list[Card | None] = list(map(self._made.get, slots.tolist()))
        places = np.flatnonzero(holds)
        for place, card in zip(places.tolist(), block.cut(slots[places]), strict=True):
            cards[place] = card
        return cards

    def forget(self, slots: Iterable[int]) -> None:
        """Make the cards in these slots anew when they are asked for."""
        _, holds = self._block
        for slot in slots:
            if slot < len(holds):
                holds[slot] = False
            self._made.pop(slot, None)

    def copy(self) -> "Cards":
        """The same cards."""
        other = Cards()
        block, holds = self._block
        other._block, other._made, other._awaited = (block, holds.copy()), dict(self._made), self._awaited
        return other


_FIRST, _NEXT = b'{"item_id":', b'},{"item_id":'


def written(rows: Mapping[str, Mapping[str, object]]) -> dict[str, bytes]:
    """The cards of items, by their columns: written all at once, and then cut apart.

    Within a string the quotes of what is cut at are escaped; only a column of objects can hold it, and then they are written
    one by one.
    """
    objects = [{"item_id": item, "item": columns} for item, columns in rows.items()]
    parts = to_json(objects, inf_nan_mode="null")[1 + len(_FIRST) : -2].split(_NEXT)
    if len(parts) != len(objects):
        parts = [to_json(one, inf_nan_mode="null")[len(_FIRST) : -1] for one in objects]
    return {item: b',"item_id":' + part for item, part in zip(rows, parts, strict=True)}
