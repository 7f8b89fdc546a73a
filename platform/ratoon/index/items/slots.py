"""Which item has which slot, and the columns that go with it. Knows nothing of vectors."""

from collections.abc import Container, Iterable, Iterator, Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.places import Places
from ratoon.index.items.cards import Card, Cards
from ratoon.index.items.columns import Column
from ratoon.index.items.journal import Edit, Journal
from ratoon.index.items.names import Names, Numbers
from ratoon.index.items.values import cast, differ, differing

Rows = npt.NDArray[np.int64]
"""Slots, int64, shape (n,)."""

AT_ONCE = 1_024
"""Slots that are looked at before it is seen whether they are enough."""


class Slots:
    """Item id -> slot, from 0, with the items' columns by slot.

    A new item takes the slot that was freed last, or the next one; an item keeps its slot as long as it is held. Slots mean
    nothing outside the index that they belong to. One thread at a time may change them while others look up.

    Attributes:
        ids: by slot; that of a free slot means nothing.
        edits: goes up whenever an id, a column or a value becomes another one.
        journal: what became of columns lately.
        types: the type of each column.
        lock: held while columns change.
    """

    def __init__(self) -> None:
        self.ids = Names()
        self.edits = 0
        self.journal = Journal()
        self.lock = Lock()
        self._cards = Cards()
        self._slot = Numbers()
        self._free: list[int] = []
        self.types: dict[str, pa.DataType] = {}
        self._columns: dict[str, Column] = {}

    @classmethod
    def told(cls, places: Places, table: pa.Table) -> "Slots":
        """Items in the slots of their rows.

        Args:
            places: of the column `item_id`, in which none occurs twice.
        """
        made = cls()
        made._fill(places, table)
        return made

    def __len__(self) -> int:
        """How many items there are."""
        return len(self._slot)

    def __iter__(self) -> Iterator[str]:
        """The items, in no order that means anything."""
        return iter(self._slot)

    def __contains__(self, item_id: object) -> bool:
        """Whether this item has a slot."""
        return item_id in self._slot

    def copy(self) -> "Slots":
        """The same items and columns, changed apart from these from now on."""
        other = Slots()
        other.ids, other.edits, other._slot, other.types = self.ids.copy(), self.edits, self._slot.copy(), dict(self.types)
        other._free = list(self._free)
        other._columns = {name: column.copy() for name, column in self._columns.items()}
        other._cards = self._cards.copy()
        return other

    def find(self, ids: Iterable[str]) -> Rows:
        """The slots of those ids that are held, in order and without duplicates."""
        slots = self._slot.look_up(list(dict.fromkeys(ids)))
        return slots[slots >= 0]

    def of(self, ids: Sequence[str]) -> Rows:
        """The slot of each id, in order; KeyError for an id that is not held."""
        return self._slot.of(ids)

    def look_up(self, ids: Sequence[str]) -> Rows:
        """The slot of each id, in order; -1 for one that is not held."""
        return self._slot.look_up(ids)

    def by_id(self) -> Rows:
        """The slots of all items, in the order of their ids."""
        return self._slot.look_up(sorted(self._slot))

    def packed(self) -> Rows:
        """The slots of all items: each in the place of its number, as far as there are items, the others where slots are free."""
        return self._slot.packed()

    def taken(self) -> Rows:
        """The slots of all items, ascending."""
        return self._slot.slots()

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
                self.types, self._columns = {}, {}
            return self._put(ids, table) if len(self.ids) else self._fill(Places(pa.array(ids, pa.string())), table)

    def _put(self, ids: Sequence[str], table: pa.Table) -> Rows:
        types = self.types
        self._columns = self._conformed(table)
        if self.types != types:
            self.edits += 1
            self._cards.clear()
            self.journal.forget()
        slots = self._slot.look_up(ids)
        new = np.flatnonzero(slots < 0)
        taken = {ids[place]: self._take(ids[place]) for place in new.tolist()}
        slots[new] = list(taken.values())
        self.edits += bool(taken)
        self._cards.forget(taken.values())
        values = {name: table.column(name).to_pylist() for name in self._columns}
        for name, column in self._columns.items():
            column.grow(len(self.ids))
            self._write(name, slots, values[name], blank=True)
        self._slot.add(taken)  # now there is something to be read of each
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
                name: cast(name, table.column(name), self.types[name]) for name in table.column_names if name in self._columns
            }
            ids = table.column("item_id").to_pylist()
            slots = self.look_up(ids)
            held = np.flatnonzero(slots >= 0).tolist()
            for name, new in said.items():
                self._write(name, slots[held], [new[place] for place in held])
            now = {name: column.take(slots[held]) for name, column in self._columns.items()}
            self.journal.note(Edit(slots[held], now), len(self.ids))
            return [ids[place] for place in held]

    def _write(self, name: str, slots: Rows, values: Sequence[object], *, blank: bool = False) -> None:
        column = self._columns[name]
        for slot, old, value in zip(slots.tolist(), column.take(slots), values, strict=True):
            if (blank or value is not None) and differ(old, value):
                column[slot] = value
                self.edits += 1
                self._cards.forget([slot])

    def _take(self, item: str) -> int:
        """A slot for a new item."""
        if self._free:
            slot = self._free.pop()
            self.ids[slot] = item
        else:
            slot = len(self.ids)
            self.ids.append(item)
        return slot

    def _fill(self, places: Places, table: pa.Table) -> Rows:
        """`put` where there was nothing yet."""
        self._columns = {name: Column.of(table.column(name)) for name in self._conformed(table)}
        self.ids, self._slot = Names(places.names), Numbers(places)
        self._cards.await_all()
        self.edits += 1
        return np.arange(len(places), dtype=np.int64)

    def free(self, ids: Iterable[str]) -> Rows:
        """Take items away that are held; their slots, which no other item is given until they are handed to `reuse`."""
        with self.lock:
            freed = {item: self._slot[item] for item in ids}
            for item, slot in freed.items():
                del self._slot[item]
                self.edits += 1  # before its columns are emptied: who reads them meanwhile looks again
                for column in self._columns.values():
                    column[slot] = None
            self._cards.forget(freed.values())
            slots = np.array(list(freed.values()), np.int64)
            self.journal.note(Edit(slots, None), len(self.ids))
            return slots

    def reuse(self, slots: Rows) -> None:
        """Give away slots of items that were taken away: whoever looks up what was in them must be gone by now."""
        self._cards.lately.forget()
        self._free.extend(slots.tolist())

    def column(self, name: str) -> Column:
        """A column's values by slot, which change unless `lock` is held."""
        return self._columns[name]

    def has_columns(self, table: pa.Table) -> bool:
        """Whether a table has these columns, of these types, and no others."""
        types = dict(zip(table.schema.names, table.schema.types, strict=True))
        return types.pop("item_id", None) is not None and types == self.types

    def unlike(self, slots: Rows, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Of each row of a table of the same columns whether what is in its slot is told otherwise, or it has none (-1)."""
        unlike = slots < 0
        for name, column in self._columns.items():
            rows = np.flatnonzero(~unlike)
            told = table.column(name).combine_chunks()
            unlike[rows] = differing(column.array(slots[rows], self.types[name]), told.take(pa.array(rows)))
        return unlike

    def rows(self, ids: Iterable[str]) -> dict[str, dict[str, object]]:
        """The columns of those of these items that are held, `item_id` left out; one that is taken away meanwhile is not held.

        Whoever asks keeps slots from being reused until it has the answer.
        """
        asked, before = list(ids), self.edits
        slots, columns = self._slot.look_up(asked), dict(self._columns)
        there = np.maximum(slots, 0)
        told = zip(*(column.take(there) for column in columns.values()), strict=True) if len(self.ids) else iter(())
        rows = [dict(zip(columns, row, strict=True)) for row in told] or [dict[str, object]() for _ in asked]
        still = (slots >= 0) & ((self._slot.look_up(asked) == slots) if self.edits != before else True)
        return {item: row for item, row, held in zip(asked, rows, still.tolist(), strict=True) if held}

    def values(self, slots: Rows) -> dict[str, list[object]]:
        """Every column's values in some slots, in order."""
        return {name: column.take(slots) for name, column in self._columns.items()}

    def shown(self, ids: Sequence[str], slots: Rows) -> None:
        """These items, which are in these slots, are shown next; whoever says so keeps slots from being reused meanwhile."""
        self._cards.lately.remember(ids, slots)

    def cards(self, ids: Sequence[str]) -> list[Card | None]:
        """What is shown of each of these items, in order, see `Cards`; None for one that is not held.

        As with `rows`, whoever asks keeps slots from being reused.
        """
        return self._cards.of(self, ids)

    def first(self, k: int, without: Container[str], slots: Rows | None = None) -> list[str]:
        """The first k items by slot, or what there is; some are left out, and all whose slot is not among `slots`."""
        found: list[str] = []
        slots = np.arange(len(self.ids)) if slots is None else np.sort(slots)
        for start in range(0, len(slots), AT_ONCE):
            part = slots[start : start + AT_ONCE]
            items = self.ids.take(part)
            held = (self._slot.look_up(items) == part).tolist()
            found += [item for item, there in zip(items, held, strict=True) if there and item not in without]
            if len(found) >= k:
                break
        return found[:k]

    def table(self, order: Rows) -> pa.Table:
        """`item_id` and every column of the items in some slots, columns in the order of their names."""
        names = sorted(self._columns)
        arrays = [self._columns[name].array(order, self.types[name]) for name in names]
        ids = pa.array(self.ids.take(order), pa.string())
        return pa.Table.from_arrays([ids, *arrays], names=["item_id", *names])

    def _conformed(self, table: pa.Table) -> dict[str, Column]:
        types, columns = {}, {}
        for name, new in zip(table.schema.names, table.schema.types, strict=True):
            if name == "item_id":
                continue
            old = self.types.get(name, new)
            # A column without a value has no type of its own; it must not take away the type that is known.
            types[name] = old if pa.types.is_null(new) else new
            held = self._columns.get(name) or Column(pa.array([], types[name]), len(self.ids))
            if types[name] != old:
                held = Column(pa.array(cast(name, pa.array(list(held), old), types[name]), types[name]), len(held))
            columns[name] = held
        self.edits += types != self.types
        self.types = types
        return columns
