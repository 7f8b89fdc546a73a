"""What is shown of very many items, written at once into one piece of memory, from which each item's part is cut.

As Python objects that were made one by one, what is shown of a million items lies anywhere, and an item that is seldom shown
has to be fetched from a dozen places.
"""

from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring as quoted

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic_core import to_json

AT_ONCE = 16_384
"""Items that are written at once: what is made on the way stays small."""

END = ord("\n")
"""Stands after each item: in JSON as it is written here there is none, as strings have it escaped."""

Told = Callable[[npt.NDArray[np.int64]], tuple[Sequence[str], Mapping[str, Sequence[object]]]]
"""Slots -> their ids, and the values of every column in them."""

Writer = Callable[[Sequence[object]], list[str]]
"""Values of a column -> each as JSON."""


class Block:
    """JSON members `,"item_id": ..., "item": {...}` by slot, from slot 0. Never changes."""

    def __init__(self, data: bytearray, bounds: npt.NDArray[np.int64]) -> None:
        """Args: data: one after the other, END after each. bounds: where each begins, and where the last ends."""
        self._view, self._bounds = memoryview(data).toreadonly(), bounds

    def __len__(self) -> int:
        """How many slots it has."""
        return len(self._bounds) - 1

    def cut(self, slots: npt.NDArray[np.int64]) -> list[memoryview]:
        """The parts of some slots, all of which it has, in order."""
        view, begins, ends = self._view, self._bounds[slots].tolist(), (self._bounds[slots + 1] - 1).tolist()
        return [view[begin:end] for begin, end in zip(begins, ends, strict=True)]

    @classmethod
    def of(cls, count: int, told: Told, types: Mapping[str, pa.DataType]) -> "Block | None":
        """The items in the first slots; None if a column holds what is not written at once: binary values, records and the like.

        Args:
            told: gives ids and columns, each in the order of the slots that are asked for.
            types: of the columns.
        """
        writers = {name: writer for name in types if (writer := writer_of(types[name])) is not None}
        if len(writers) < len(types):
            return None
        data, bounds = bytearray(), [np.zeros(1, np.int64)]
        for first in range(0, count, AT_ONCE):
            ids, columns = told(np.arange(first, min(first + AT_ONCE, count)))
            names = ",".join(f"{quoted(name).replace('%', '%%')}:%s" for name in columns)
            template = f',"item_id":%s,"item":{{{names}}}\n'
            written = [_strings(ids), *(writers[name](values) for name, values in columns.items())]
            part = "".join(map(template.__mod__, zip(*written, strict=True))).encode()
            bounds.append(np.flatnonzero(np.frombuffer(part, np.uint8) == END) + 1 + len(data))
            data += part
        return cls(data, np.concatenate(bounds))


def writer_of(dtype: pa.DataType) -> Writer | None:
    """How values of a type are written as pydantic writes them; None for types that are not."""
    if pa.types.is_string(dtype) or pa.types.is_large_string(dtype):
        return _strings
    if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_boolean(dtype) or pa.types.is_null(dtype):
        return _plain
    if pa.types.is_timestamp(dtype):
        return _each
    if pa.types.is_list(dtype) or pa.types.is_large_list(dtype):
        return _each if writer_of(dtype.value_type) else None
    return None


def _strings(values: Sequence[object]) -> list[str]:
    if None in values:
        return ["null" if value is None else quoted(value) for value in values]  # type: ignore[arg-type]  # they are strings
    return list(map(quoted, values))  # type: ignore[arg-type]  # as above


def _plain(values: Sequence[object]) -> list[str]:
    return to_json(values, inf_nan_mode="null")[1:-1].decode().split(",")


def _each(values: Sequence[object]) -> list[str]:
    return [to_json(value, inf_nan_mode="null").decode() for value in values]
