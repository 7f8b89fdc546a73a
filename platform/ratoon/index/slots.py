"""Which item lies in which row of a dense matrix, and the columns that go with it. Knows nothing of vectors."""

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.errors import DataError
from ratoon.domain.exclusions import Exclusions

Rows = npt.NDArray[np.int64]
"""Slots, int64, shape (n,)."""


class Slots:
    """Item id -> slot, dense from 0, with the items' columns by slot.

    A new item takes the next slot; a removed one is replaced by the item in the last slot, so that there is never a hole.
    Slots are reused: they mean nothing outside the index that they belong to.

    Attributes:
        edits: goes up whenever an id, a column or a value becomes another one.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.edits = 0
        self._slot: dict[str, int] = {}
        self._types: dict[str, pa.DataType] = {}
        self._columns: dict[str, list[object]] = {}

    def __len__(self) -> int:
        """How many slots are taken."""
        return len(self.ids)

    def __contains__(self, item_id: object) -> bool:
        """Whether this item has a slot."""
        return item_id in self._slot

    def copy(self) -> "Slots":
        """The same items and columns, changed apart from these from now on."""
        other = Slots()
        other.ids, other.edits, other._slot, other._types = list(self.ids), self.edits, dict(self._slot), dict(self._types)
        other._columns = {name: list(column) for name, column in self._columns.items()}
        return other

    def find(self, ids: Iterable[str]) -> Rows:
        """The slots of those ids that are held, in order and without duplicates."""
        return np.array([self._slot[item] for item in dict.fromkeys(ids) if item in self._slot], dtype=np.int64)

    def of(self, ids: Sequence[str]) -> Rows:
        """The slot of each id, in order; KeyError for an id that is not held."""
        return np.array([self._slot[item] for item in ids], dtype=np.int64)

    def look_up(self, ids: Sequence[str]) -> Rows:
        """The slot of each id, in order; -1 for one that is not held."""
        return np.fromiter(map(self._slot.get, ids, repeat(-1)), np.int64, len(ids))

    def pairs(self, excluded: Exclusions) -> tuple[Rows, Rows]:
        """Each query and each slot that it alone excludes, by query; shape (pairs,) each."""
        slots = self.look_up(excluded.items)[excluded.codes]
        return excluded.queries[slots >= 0], slots[slots >= 0]

    def by_id(self) -> Rows:
        """All slots in the order of their item ids."""
        return np.array(sorted(range(len(self.ids)), key=self.ids.__getitem__), dtype=np.int64)

    def put(self, ids: Sequence[str], table: pa.Table) -> Rows:
        """Give each id a slot, its own if it has one, and set its columns; the set of columns becomes the table's.

        Without ids nothing happens.

        Args:
            ids: without duplicates.
            table: a row per id; `item_id` and the other columns.

        Returns:
            The slot of each id; those from the former length on are new and in order.

        Raises:
            DataError: what is held cannot be read as a column's new type; nothing has been changed.
        """
        if not ids:
            return np.empty(0, np.int64)
        if not self.ids:
            return self._filled(ids, table)
        self._columns = self._conformed(table)
        slots, before = [], len(self.ids)
        for item in ids:
            slot = self._slot.setdefault(item, len(self.ids))
            if slot == len(self.ids):
                self.ids.append(item)
            slots.append(slot)
        new = len(self.ids)
        self.edits += new > before
        for name, column in self._columns.items():
            column.extend([None] * (new - len(column)))
            for slot, value in zip(slots, table.column(name).to_pylist(), strict=True):
                # Zeros of either sign are equal, and not the same value.
                if slot >= before or repr(column[slot]) != repr(value):
                    column[slot] = value
                    self.edits += 1
        return np.array(slots, dtype=np.int64)

    def _filled(self, ids: Sequence[str], table: pa.Table) -> Rows:
        """`put` where there is nothing yet: what a load does."""
        self._columns = {name: table.column(name).to_pylist() for name in self._conformed(table)}
        self.ids, self._slot = list(ids), {item: slot for slot, item in enumerate(ids)}
        self.edits += 1
        return np.arange(len(ids), dtype=np.int64)

    def remove(self, ids: Iterable[str]) -> tuple[Rows, Rows]:
        """Take items away.

        Returns:
            (holes, movers): what lay in slot movers[i] lies in holes[i] now; then the slots from `len` on are gone.
        """
        gone = set(self.find(ids).tolist())
        self.edits += bool(gone)
        length = len(self.ids) - len(gone)
        holes = sorted(slot for slot in gone if slot < length)
        movers = [slot for slot in range(length, len(self.ids)) if slot not in gone]
        for slot in gone:
            del self._slot[self.ids[slot]]
        for hole, mover in zip(holes, movers, strict=True):
            self.ids[hole] = self.ids[mover]
            self._slot[self.ids[hole]] = hole
            for column in self._columns.values():
                column[hole] = column[mover]
        del self.ids[length:]
        for column in self._columns.values():
            del column[length:]
        return np.array(holes, dtype=np.int64), np.array(movers, dtype=np.int64)

    def rows(self, ids: Sequence[str]) -> list[dict[str, object]]:
        """The columns of items, in order, `item_id` left out; KeyError for an id that is not held."""
        slots = [self._slot[item] for item in ids]
        return [{name: column[slot] for name, column in self._columns.items()} for slot in slots]

    def table(self) -> pa.Table:
        """`item_id` and every column, by item id, columns in the order of their names."""
        order = self.by_id()
        names = sorted(self._columns)
        arrays = [pa.array([self._columns[name][slot] for slot in order], self._types[name]) for name in names]
        ids = pa.array([self.ids[slot] for slot in order], pa.string())
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
            columns[name] = held if types[name] == old else _cast(name, held, old, types[name])
        self.edits += types != self._types
        self._types = types
        return columns


def _cast(name: str, values: list[object], old: pa.DataType, new: pa.DataType) -> list[object]:
    try:
        return list(pa.array(values, old).cast(new).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            name,
            expected=f"the index's column type {old}, or one that its values can be read as",
            found=f"{new} ({error})",
            fix="Rename the column, or refresh with the full scope, which rebuilds the index.",
        ) from error
