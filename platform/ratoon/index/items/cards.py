"""What is shown of items, as JSON: of all that were loaded at once, of others when they are first answered or have changed."""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from pydantic_core import to_json

from ratoon.index.items.block import Block

Card = bytes | memoryview
"""The members `,"item_id": ..., "item": {...}` of a JSON object after its first."""


class Cards:
    """Slot -> the card of the item in it.

    About 100 bytes for an item of the block, 200 for another that was ever answered. Any number of threads may ask while one
    changes columns: it calls `forget` after a change, and whoever has made a card meanwhile throws it away.

    Args:
        block: the cards of the first slots, if they were written at once.
        holds: of which of those that is so; shape (slots,).
    """

    def __init__(self, block: Block | None = None, holds: npt.NDArray[np.bool_] | None = None) -> None:
        self._block, self._made = block, dict[int, bytes]()
        # One more, which no slot of the block is: it stands for those that come after it, and at -1 for none.
        self._holds = np.zeros(1, np.bool_) if holds is None else np.append(holds, False)

    def get(self, slots: npt.NDArray[np.int64]) -> list[Card | None]:
        """The cards in these slots, in order, as far as they were made since columns changed last; -1: None."""
        if self._block is None:
            return list(map(self._made.get, slots.tolist()))
        holds = self._holds[np.minimum(slots, len(self._block))]
        if holds.all():
            return [*self._block.cut(slots)]
        cards: list[Card | None] = list(map(self._made.get, slots.tolist()))
        places = np.flatnonzero(holds)
        for place, card in zip(places.tolist(), self._block.cut(slots[places]), strict=True):
            cards[place] = card
        return cards

    def keep(self, cards: Mapping[int, bytes]) -> None:
        """Remember the cards in some slots."""
        self._made.update(cards)

    def forget(self, slots: Iterable[int]) -> None:
        """Make the cards in these slots anew when they are asked for."""
        for slot in slots:
            if slot < len(self._holds):
                self._holds[slot] = False
            self._made.pop(slot, None)

    def copy(self) -> "Cards":
        """The same cards."""
        other = Cards(self._block, self._holds[:-1])
        other._made = dict(self._made)
        return other


class Lately:
    """Where the items of the newest answer lie: what is found is shown next, and to look up where each lies takes a while.

    Threads ask, and remember what they have found while no slot is given to another item; one at a time calls `forget` when
    that is about to happen.
    """

    def __init__(self) -> None:
        self._turn = 0
        self._slots: Mapping[str, int] = {}

    def remember(self, ids: Iterable[str], slots: npt.NDArray[np.int64]) -> None:
        """These are in these slots."""
        self._slots = dict(zip(ids, slots.tolist(), strict=True))

    def known(self) -> tuple[int, Mapping[str, int]]:
        """Item -> its slot, for some; good as long as `still` says so of the number beside."""
        turn = self._turn  # read first: what was forgotten in between is then told by `still`
        return turn, self._slots

    def still(self, turn: int) -> bool:
        """Whether no slot was given to another item since."""
        return self._turn == turn

    def forget(self) -> None:
        """Some slots are about to be given to other items."""
        self._slots = {}  # first, as whoever reads the new number must not read what was known before
        self._turn += 1


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
