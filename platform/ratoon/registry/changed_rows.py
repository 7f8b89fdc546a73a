"""What differs between two safetensors files, row by row, itself as safetensors. Bytes are compared, so every dtype is exact.

The format is https://github.com/huggingface/safetensors#format: eight bytes of header length, a JSON header, raw tensors. A
tensor is read here as a table of bytes: one row per index of its first axis (a scalar is one row).

The difference holds, as bytes: `header`, the new file's first bytes as they are, so that order and metadata come back; and for
each tensor that differs `values:NAME`, rows of bytes. With `rows:NAME` (int64, ascending) the first values replace those rows
of the old tensor, and the others follow after the rows that old and new have in common. Without it the values are all of it.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

Rows = npt.NDArray[np.uint8]
"""Shape (rows, bytes per row)."""

LENGTH = 8
"""Bytes of the header's length, and of a row's number in a difference."""


def difference(old: bytes, new: bytes) -> bytes | None:
    """What has to be known beside `old` to have `new`; None if one of them is not laid out as safetensors."""
    try:
        return _difference(old, new)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def rebuilt(old: bytes, deltas: Sequence[bytes]) -> bytes:
    """`old` after these differences, oldest first; the cost is one copy of the file and what the differences hold.

    Raises:
        ValueError: one of them is no difference from what it is applied to.
    """
    try:
        header, tables = _header(old), dict(_tables(old))
        for delta in deltas:
            parts = load(delta)
            header = parts["header"].tobytes()
            tables = dict(_moved(tables, header, parts))
        return b"".join((header, *(table.data for table in tables.values())))
    except (SafetensorError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise ValueError(repr(error)) from error


def _difference(old: bytes, new: bytes) -> bytes:
    before, after = dict(_tables(old)), dict(_tables(new))
    parts: dict[str, npt.NDArray[np.uint8] | npt.NDArray[np.int64]] = {"header": np.frombuffer(_header(new), np.uint8)}
    for name, table in after.items():
        known = before.get(name, table[:0])
        if known.shape[1] != table.shape[1]:
            known = table[:0]
        shared = min(len(known), len(table))
        moved = np.flatnonzero((table[:shared] != known[:shared]).any(axis=1))
        if len(moved) * (table.shape[1] + LENGTH) >= shared * table.shape[1]:
            parts[f"values:{name}"] = table
        elif len(moved) or len(table) > shared:
            parts[f"rows:{name}"] = moved
            parts[f"values:{name}"] = np.concatenate([table[moved], table[shared:]])
    return save(parts)


def _moved(before: Mapping[str, Rows], header: bytes, parts: Mapping[str, Rows]) -> Iterator[tuple[str, Rows]]:
    for name, first, last, count in _layout(header):
        values, moved = parts.get(f"values:{name}"), parts.get(f"rows:{name}")
        if values is None:
            table = before[name][:count]
        elif moved is None:
            table = values
        else:
            old = before[name]
            shared, table = min(len(old), count), old
            # A table that an earlier difference copied is ours to write to; what was read from a file is not.
            if len(old) != count or not old.flags.writeable:
                table = np.empty((count, old.shape[1]), np.uint8)
                table[:shared] = old[:shared]
            table[moved] = values[: len(moved)]
            table[shared:] = values[len(moved) :]
        if table.shape != (count, (last - first) // count):
            raise ValueError(f"{name}: {table.shape} rows and bytes where the header has {count} in {last - first}")
        yield name, table


def _header(data: bytes) -> bytes:
    return data[: LENGTH + int.from_bytes(data[:LENGTH], "little")]


def _layout(header: bytes) -> Iterator[tuple[str, int, int, int]]:
    """Name, first and last byte after the header, and number of rows of each tensor, in the order of their bytes."""
    tensors = {name: about for name, about in json.loads(header[LENGTH:]).items() if name != "__metadata__"}
    for name, about in sorted(tensors.items(), key=lambda tensor: tensor[1]["data_offsets"]):
        first, last = about["data_offsets"]
        rows = math.prod(about["shape"][:1])
        # Elements of less than a byte may not fill a row: then the tensor is one row, as an empty one is.
        yield name, first, last, rows if rows and (last - first) % rows == 0 else 1


def _tables(data: bytes) -> Iterator[tuple[str, Rows]]:
    header = _header(data)
    for name, first, last, rows in _layout(header):
        yield name, np.frombuffer(data, np.uint8, last - first, len(header) + first).reshape(rows, (last - first) // rows)
