"""Entity keys as Feast serialises them (version 3), for whole columns at once.

Layout: feast/infra/key_encoding_utils.py of Feast 0.67: u32 number of join keys; each join key, sorted by name, as u32 type
(2, a string), u32 length and name; then each value as u32 type, u32 length and its bytes.
"""

import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.errors import DataError

_STRING = 2
_TYPES = {"BYTES": 1, "STRING": _STRING, "INT32": 3, "INT64": 4, "UNIX_TIMESTAMP": 8}
_SECOND = 1_000_000


class _Heads(dict[int, bytes]):
    """Length of a text -> all that comes before the text."""

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix

    def __missing__(self, length: int) -> bytes:
        self[length] = head = self._prefix + struct.pack("<II", _STRING, length)
        return head


_heads: dict[str, _Heads] = {}


def text_keys(join_key: str, values: Sequence[str]) -> list[bytes]:
    """The keys of entities with one join key of strings: the usual case, and the fastest."""
    heads = _heads.get(join_key)
    if heads is None:
        heads = _heads[join_key] = _Heads(_prefix([join_key]))
    return [heads[len(text)] + text for text in map(str.encode, values)]


def key_column(names: Sequence[str], dtypes: Sequence[str], columns: Sequence[pa.Array]) -> pa.Array:
    """The keys of n entities, as large_binary.

    Args:
        names: the join keys.
        dtypes: Feast's value type names, one per join key.
        columns: the values, one column per join key, without nulls.

    Raises:
        DataError: for a type that no entity can have.
    """
    order = sorted(range(len(names)), key=lambda at: names[at])
    parts: list[pa.Array] = []
    for at in order:
        parts += _value(names[at], dtypes[at], columns[at])
    prefix = pa.scalar(_prefix([names[at] for at in order]), pa.large_binary())
    return pc.binary_join_element_wise(prefix, *parts, pa.scalar(b"", pa.large_binary()))


def _prefix(names: Sequence[str]) -> bytes:
    encoded = [name.encode() for name in names]
    return struct.pack("<I", len(names)) + b"".join(struct.pack("<II", _STRING, len(name)) + name for name in encoded)


def _value(name: str, dtype: str, column: pa.Array) -> list[pa.Array]:
    if dtype not in _TYPES:
        raise DataError(
            f"join key {name!r}", expected=f"one of {', '.join(_TYPES)}", found=dtype, fix="Give the entity another type."
        )
    if dtype in ("STRING", "BYTES"):
        data = column.cast(pa.large_string() if dtype == "STRING" else pa.large_binary()).cast(pa.large_binary())
        return [_numbers(np.full(len(column), _TYPES[dtype], "<u4")), _numbers(np.asarray(pc.binary_length(data), "<u4")), data]
    numbers = np.asarray(column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()) if dtype == "UNIX_TIMESTAMP" else column)
    if dtype == "UNIX_TIMESTAMP":
        numbers = numbers // _SECOND
    width = 4 if dtype == "INT32" else 8
    head = np.broadcast_to(np.array([_TYPES[dtype], width], "<u4"), (len(column), 2))
    return [_numbers(np.ascontiguousarray(head).reshape(-1), 8), _numbers(numbers.astype(f"<i{width}"), width)]


def _numbers(values: np.ndarray, width: int = 4) -> pa.Array:
    """Numbers as a column of `width` bytes each."""
    data = np.ascontiguousarray(values).view(np.uint8)
    offsets = np.arange(0, len(data) + 1, width, dtype=np.int64)
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
