"""Which item has which slot, and the columns that go with it. Knows nothing of vectors."""

from collections.abc import Container, Iterable, Sequence
from itertools import repeat
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.index.items.block import Block
from ratoon.index.items.cards import Card, Cards, written
from ratoon.index.items.journal import Edit, Journal
from ratoon.index.items.names import Names
from ratoon.index.items.places import Places, Rows
from ratoon.index.items.values import cast, differ

__all__ = ["AT_ONCE", "Rows", "Slots"]

AT_ONCE = 1_024
"""Slots that are looked at before it is seen whether they are enough."""


class Slots(Places):
    """Item id -> slot, with the items' columns by slot. One thread at a time may change them while others look up.

    Attributes:
        edits: goes up whenever an id, a column or a value becomes another one.
        journal: what became of columns lately.
        lock: held while columns change.
    """

    def __init__(self) -> None:
        super().__init__()
        self.edits = 0
        self.journal = Journal()
        self.lock = Lock()
        self._cards, self._unwritten = Cards(), False
        self._types: dict[str, pa.DataType] = {}
        self._columns: dict[str, list[object]] = {}

    def copy(self) -> "Slots":
        """The same items and columns, changed apart from these from now on."""
        other = Slots()
        other.ids, other.edits, other._slot, other._types = self.ids.copy(), self.edits, dict(self._slot), dict(self._types)
        other._free = list(self._free)
        other._columns = {name: list(column) for name, column in self._columns.items()}
        other._cards, other._unwritten = self._cards.copy(), self._unwritten
        return other

    def put(self, ids: Sequence[str], table: pa.Table) -> Rows:
        """Give each id a slot, its own if it has one, and set its columns; the set of columns becomes the table's.

        Without ids nothing happens.

        Args:
            ids: without duplicates.
            table: a row per id; `item_id` and the other columns.

        Returns:
            The slot of each id.

        Raises:
            DataError: what is held cannot be read as a column's new type; nothing has been changed.
        """
        if not ids:
            return np.empty(0, np.int64)
        with self.lock:
            if not self._slot:
                self.journal.forget()
                self._types, self._columns = {}, {}
            return self._put(ids, table) if len(self.ids) else self._filled(ids, table)

    def _put(self, ids: Sequence[str], table: pa.Table) -> Rows:
        types = self._types
        self._columns = self._conformed(table)
        if self._types != types:
            self.edits += 1
            self._cards = Cards()
            self.journal.forget()
        taken = {item: self._take(item) for item in ids if item not in self._slot}
        slots = np.array([taken[item] if item in taken else self._slot[item] for item in ids], np.int64)
        self.edits += bool(taken)
        self._cards.forget(taken.values())
        values = {name: table.column(name).to_pylist() for name in self._columns}
        for name, column in self._columns.items():
            column.extend([None] * (len(self.ids) - len(column)))
            self._write(name, slots.tolist(), values[name], blank=True)
        self._slot.update(taken)  # now there is something to be read of each
        self.journal.note(Edit(slots, values), len(self.ids))
        return slots

    def amend(self, table: pa.Table) -> list[str]:
        """Other values for some columns of items that are held; which items those were.

        Args:
            table: `item_id`, without duplicates, and any columns; a null, an unknown item and an unknown column say nothing.

        Raises:
            DataError: what is said cannot be read as a column's type; nothing has been changed.
        """
        with self.lock:
            said = {
                name: cast(name, table.column(name), self._types[name]) for name in table.column_names if name in self._columns
            }
            ids = table.column("item_id").to_pylist()
            slots = self.look_up(ids)
            held = np.flatnonzero(slots >= 0).tolist()
            for name, new in said.items():
                self._write(name, slots[held].tolist(), [new[place] for place in held])
            now = {name: [column[slot] for slot in slots[held]] for name, column in self._columns.items()}
            self.journal.note(Edit(slots[held], now), len(self.ids))
            return [ids[place] for place in held]

    def _write(self, name: str, slots: Sequence[int], values: Sequence[object], *, blank: bool = False) -> None:
        column = self._columns[name]
        for slot, value in zip(slots, values, strict=True):
            if (blank or value is not None) and differ(column[slot], value):
                column[slot] = value
                self.edits += 1
                self._cards.forget([slot])

    def _filled(self, ids: Sequence[str], table: pa.Table) -> Rows:
        """`put` where there was nothing yet: what a load does."""
        self._columns = {name: table.column(name).to_pylist() for name in self._conformed(table)}
        self.ids, self._slot = Names(ids), {item: slot for slot, item in enumerate(ids)}
        self._cards, self._unwritten = Cards(), True
        self.edits += 1
        return np.arange(len(ids), dtype=np.int64)

    def free(self, ids: Iterable[str]) -> Rows:
        """Take items away that are held; their slots, which no other item is given until they are handed to `reuse`."""
        with self.lock:
            freed = {item: self._slot[item] for item in ids}
            for item, slot in freed.items():
                del self._slot[item]
                self.edits += 1
                for column in self._columns.values():
                    column[slot] = None
            self._cards.forget(freed.values())
            slots = np.array(list(freed.values()), np.int64)
            self.journal.note(Edit(slots, None), len(self.ids))
            return slots

    @property
    def types(self) -> dict[str, pa.DataType]:
        """The type of each column."""
        return self._types

    def column(self, name: str) -> Sequence[object]:
        """A column's values by slot, which change unless `lock` is held."""
        return self._columns[name]

    def has_columns(self, table: pa.Table) -> bool:
        """Whether a table has these columns, of these types, and no others."""
        types = dict(zip(table.schema.names, table.schema.types, strict=True))
        return types.pop("item_id", None) is not None and types == self._types

    def unlike(self, slots: Rows, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Of each row of a table of the same columns whether what is in its slot is told otherwise, or it has none (-1)."""
        unlike = slots < 0
        for name, column in self._columns.items():
            pairs = ((column[slot], value) for slot, value in zip(slots.tolist(), table.column(name).to_pylist(), strict=True))
            unlike |= np.fromiter((differ(one, other) for one, other in pairs), np.bool_, len(slots))
        return unlike

    def rows(self, ids: Iterable[str]) -> dict[str, dict[str, object]]:
        """The columns of those of these items that are held, `item_id` left out; one that is taken away meanwhile is not held.

        Whoever asks keeps slots from being reused until it has the answer.
        """
        found, place, columns = dict[str, dict[str, object]](), self._slot.get, list(self._columns.items())
        for item in ids:
            if (slot := place(item)) is not None:
                row = {name: column[slot] for name, column in columns}
                if place(item) == slot:
                    found[item] = row
        return found

    def cards(self, ids: Sequence[str]) -> list[Card | None]:
        """What is shown of each of these items, in order, see `Cards`; None for one that is not held.

        As with `rows`, whoever asks keeps slots from being reused.
        """
        if self._unwritten:
            self._write_all()
        turn, lately = self._lately.known()
        slots = np.fromiter(map(lately.get, ids, repeat(-1)), np.int64, len(ids))
        if (slots < 0).any():
            slots = self.look_up(ids)
        cards = self._cards.get(slots)
        if not self._lately.still(turn):
            slots = self.look_up(ids)
            cards = self._cards.get(slots)
        return self._with_missing(ids, slots, cards) if None in cards else cards

    def _with_missing(self, ids: Sequence[str], slots: Rows, cards: list[Card | None]) -> list[Card | None]:
        before = self.edits
        made = written(self.rows([item for item, card in zip(ids, cards, strict=True) if card is None]))
        kept = {slot: made[item] for item, slot in zip(ids, slots.tolist(), strict=True) if item in made and slot >= 0}
        self._cards.keep(kept)
        if self.edits != before:
            self._cards.forget(kept)
        return [made.get(item) if card is None else card for item, card in zip(ids, cards, strict=True)]

    def _write_all(self) -> None:
        """Write the cards of all items, of which many came at once: a second for a million."""
        with self.lock:
            if self._unwritten and len(self.ids):
                holds = np.zeros(len(self.ids), np.bool_)
                holds[self.taken()] = True
                block = Block.of(self.ids.take(np.arange(len(holds))), self._columns, self._types)
                self._cards = Cards(block, None if block is None else holds)
            self._unwritten = False

    def first(self, k: int, without: Container[str], slots: Rows | None = None) -> list[str]:
        """The first k items by slot, or what there is; some are left out, and all whose slot is not among `slots`."""
        found: list[str] = []
        slots = np.arange(len(self.ids)) if slots is None else np.sort(slots)
        for start in range(0, len(slots), AT_ONCE):
            part = slots[start : start + AT_ONCE]
            held = (item for item, slot in zip(self.ids.take(part), part.tolist(), strict=True) if self._slot.get(item) == slot)
            found += [item for item in held if item not in without]
            if len(found) >= k:
                break
        return found[:k]

    def table(self, order: Rows) -> pa.Table:
        """`item_id` and every column of the items in some slots, columns in the order of their names."""
        names = sorted(self._columns)
        arrays = [pa.array([self._columns[name][slot] for slot in order], self._types[name]) for name in names]
        ids = pa.array(self.ids.take(order), pa.string())
        return pa.Table.from_arrays([ids, *arrays], names=["item_id", *names])

    def _conformed(self, table: pa.Table) -> dict[str, list[object]]:
        types, columns = {}, {}
        for name, new in zip(table.schema.names, table.schema.types, strict=True):
            if name == "item_id":
                continue
            old = self._types.get(name, new)
            # A column without a value has no type of its own; it must not take away the type that is known.
            types[name] = old if pa.types.is_null(new) else new
            held = self._columns.get(name, [None] * len(self.ids))
            columns[name] = held if types[name] == old else cast(name, pa.array(held, old), types[name])
        self.edits += types != self._types
        self._types = types
        return columns
