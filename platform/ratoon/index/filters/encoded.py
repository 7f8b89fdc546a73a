"""A column as arrays by slot, so that what is asked of it is asked of all items at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.matching import Column
from ratoon.domain.predicate import Kind, Value
from ratoon.index.items.slots import Rows


def kind_of(dtype: pa.DataType) -> Kind:
    """What a column of this type holds."""
    if pa.types.is_null(dtype):
        return "nothing"
    if pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
        return "text"
    if pa.types.is_boolean(dtype):
        return "truth"
    if pa.types.is_timestamp(dtype):
        return "time"
    if pa.types.is_floating(dtype) or (pa.types.is_integer(dtype) and dtype != pa.uint64()):
        return "number"
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        entries = kind_of(dtype.value_type)
        if entries in ("text", "nothing"):
            return "texts" if entries == "text" else "nothing"
        return "numbers" if pa.types.is_integer(dtype.value_type) else "other"
    return "other"


CHUNK = 16_384
"""Values that are read at once, in less than a millisecond if they are strings or numbers: other threads go on in between."""

MANY = 256
"""Strings from which on the different ones are found first, and each is looked up once."""


class Encoded:
    """One column. Whoever calls it waits for the one before.

    Strings and lists are told apart by numbers, so that those that many items share are looked at once.

    Args:
        dtype: of its values.
        values: by slot.
        free: the slots of no item.
    """

    def __init__(self, dtype: pa.DataType, values: Sequence[object], free: Rows | None = None) -> None:
        self.kind, self._type, self._length = kind_of(dtype), dtype, 0
        self._values: npt.NDArray[np.generic] = np.empty(0, _stored(dtype, self.kind))
        self._known, self._held = np.empty(0, np.bool_), np.empty(0, np.bool_)
        self._codes: dict[Value, list[int]] | None = None if self.kind in ("number", "truth", "time") else {}
        self._wholes: dict[Any, int] = {}
        self.write(np.arange(len(values)), values)
        if free is not None:
            self.write(free, None)

    @property
    def crowded(self) -> bool:
        """Whether most of the strings or lists that it tells apart are those of no item any more, or it was never large."""
        return len(self._wholes) > 2 * self._length + 1_024

    def write(self, slots: Rows, values: Sequence[object] | None) -> None:
        """Other values in some slots; None: these slots are free."""
        self._widen(int(slots.max(initial=-1)) + 1)
        self._held[slots] = values is not None
        if values is None:
            self._known[slots] = False
            return
        for first in range(0, len(slots), CHUNK):
            self._write(slots[first : first + CHUNK], values[first : first + CHUNK])

    def _write(self, slots: Rows, values: Sequence[object]) -> None:
        array = pa.array(values, self._type)
        known = array.is_valid().to_numpy(zero_copy_only=False)
        if self.kind == "text" and len(values) >= MANY:
            encoded = array.dictionary_encode()
            codes = np.array([*map(self._code, encoded.dictionary.to_pylist()), -1], np.int64)
            self._values[slots] = codes[pc.fill_null(encoded.indices, len(codes) - 1).to_numpy(zero_copy_only=False)]
        elif self._codes is not None:
            self._values[slots] = [self._code(value) for value in values]
        else:
            numbers = array.cast(pa.timestamp("us", array.type.tz), safe=False).cast(pa.int64()) if self.kind == "time" else array
            self._values[slots] = pc.fill_null(numbers, False if self.kind == "truth" else 0).to_numpy(zero_copy_only=False)
            if self._values.dtype.kind == "f":
                known = known & ~np.isnan(self._values[slots])
        self._known[slots] = known

    def column(self, slots: Rows | None = None) -> Column:
        """These slots in order, or all of them: then a view, good until the next change."""
        rows: Rows | slice = slice(self._length) if slots is None else slots
        return Column(self._values[rows], self._known[rows], self._codes, len(self._wholes), self._held[rows])

    def _code(self, value: object) -> int:
        """The number that stands for a string or for what is in a list; -1 for none."""
        assert self._codes is not None
        if value is None or self.kind == "other":
            return -1
        whole: Any = frozenset(value) - {None} if isinstance(value, list) else value
        code = self._wholes.get(whole)
        if code is None:
            code = self._wholes[whole] = len(self._wholes)
            for entry in whole if isinstance(whole, frozenset) else (whole,):
                self._codes.setdefault(entry, []).append(code)
        return code

    def _widen(self, length: int) -> None:
        if length > len(self._values):
            more = max(length, len(self._values) * 5 // 4) - len(self._values)
            self._values = np.concatenate([self._values, np.zeros(more, self._values.dtype)])
            self._known = np.concatenate([self._known, np.zeros(more, np.bool_)])
            self._held = np.concatenate([self._held, np.zeros(more, np.bool_)])
        self._length = max(self._length, length)


def _stored(dtype: pa.DataType, kind: Kind) -> npt.DTypeLike:
    if kind == "truth":
        return np.bool_
    if kind != "number":
        return np.int64
    return np.int64 if pa.types.is_integer(dtype) else np.float64 if dtype == pa.float64() else np.float32
