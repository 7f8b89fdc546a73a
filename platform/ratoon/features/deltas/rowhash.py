"""One 128-bit hash per row, the same on every machine and in every version: what tells equal rows from different ones.

Two lanes of 64 bits start from two constants and take in one word per column, columns by name:

    lane = mix(lane ^ word), and once more mix(lane ^ NULL) where the value is null

`mix` is the finaliser of MurmurHash3 (Appleby, 2011), a bijection of 64-bit words. A word is the value itself: whole numbers
and times (microseconds since 1970) as int64, floats as the bits of a float64 with one NaN. Strings and bytes are taken in as
little-endian words of eight bytes, the last one padded with zeros, and lists as the words of their entries; both begin with
their length. So a value hashes the same whatever width, encoding or chunks a file gives it.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Words = npt.NDArray[np.uint64]
"""Shape (2, n), one row per lane, or (1, n) where both lanes take in the same words."""

BYTES = 16
_LANES = np.array([[0x9E3779B97F4A7C15], [0xC2B2AE3D27D4EB4F]], np.uint64)
_NULL = np.uint64(0xD6E8FEB86659FD93)
_FIRST, _SECOND, _SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)
_TAILS = np.array([(1 << (8 * size)) - 1 for size in range(9)], np.uint64)
"""Number of bytes that belong to a string -> the mask of a word that keeps only them."""


def row_hashes(table: pa.Table) -> pa.Array:
    """The hash of each row; fixed-size binary of 16 bytes, n values.

    Raises:
        pyarrow.ArrowNotImplementedError: a column is of a type that feature views do not have, such as a struct.
    """
    lanes = np.repeat(_LANES, table.num_rows, axis=1)
    for name in sorted(table.column_names):
        column = table.column(name)
        lanes = _taken(lanes, pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type))
    return from_words(lanes.T)


def from_words(words: Words) -> pa.Array:
    """Hashes as Arrow values; `words` has shape (n, 2)."""
    buffer = pa.py_buffer(np.ascontiguousarray(words, "<u8").tobytes())
    return pa.Array.from_buffers(pa.binary(BYTES), len(words), [None, buffer])


def to_words(hashes: pa.Array) -> Words:
    """The inverse of `from_words`; shape (n, 2)."""
    return np.frombuffer(hashes.buffers()[1], "<u8", 2 * len(hashes), BYTES * hashes.offset).reshape(-1, 2)


def _mix(words: Words) -> Words:
    """Mixed in place: what is passed in is a value just computed."""
    words ^= words >> _SHIFT
    words *= _FIRST
    words ^= words >> _SHIFT
    words *= _SECOND
    words ^= words >> _SHIFT
    return words


def _taken(lanes: Words, column: pa.Array) -> Words:
    lanes = _mix(lanes ^ _words(column))
    if column.null_count:
        missing = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
        lanes[:, missing] = _mix(lanes[:, missing] ^ _NULL)
    return lanes


def _words(column: pa.Array) -> Words:
    of = column.type
    if pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of):
        return _lists(pc.cast(column, pa.large_list(of.value_type)))
    if pa.types.is_timestamp(of):
        return _integers(pc.cast(column, pa.timestamp("us", of.tz), safe=False).cast(pa.int64()))
    if pa.types.is_boolean(of) or pa.types.is_integer(of):
        return _integers(column.cast(pa.int64(), safe=False))
    if pa.types.is_floating(of):
        numbers = column.cast(pa.float64()).fill_null(0.0).to_numpy(zero_copy_only=False)
        return np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)[None, :]
    return _strings(column.cast(pa.large_binary()))


def _integers(column: pa.Array) -> Words:
    numbers: npt.NDArray[np.int64] = column.fill_null(0).to_numpy(zero_copy_only=False)
    return numbers.view(np.uint64)[None, :]


def _strings(column: pa.Array) -> Words:
    starts, lengths = _spans(column)
    data = column.buffers()[2]
    raw = np.frombuffer(data if data is not None else b"", np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([raw, np.zeros(8, np.uint8)]), 8)

    def word(rows: npt.NDArray[np.int64], at: int) -> Words:
        read = windows[starts[rows] + 8 * at].view("<u8")[:, 0]
        return (read & _TAILS[np.minimum(lengths[rows] - 8 * at, 8)])[None, :]

    return _folded(lengths, -(-lengths // 8), word)


def _lists(column: pa.Array) -> Words:
    starts, lengths = _spans(column)
    entries = _taken(np.repeat(_LANES, len(column.values), axis=1), column.values)
    return _folded(lengths, lengths, lambda rows, at: entries[:, starts[rows] + at])


def _spans(column: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    offsets = np.frombuffer(column.buffers()[1] or bytes(8), np.int64)[column.offset : column.offset + len(column) + 1]
    lengths = np.diff(offsets)
    if column.null_count:
        lengths[column.is_null().to_numpy(zero_copy_only=False)] = 0
    return offsets[:-1], lengths


def _folded(
    lengths: npt.NDArray[np.int64], steps: npt.NDArray[np.int64], word: Callable[[npt.NDArray[np.int64], int], Words]
) -> Words:
    """Each value's words taken in one after the other; the first words of all values first, then the second ones."""
    lanes, at = _mix(_LANES ^ lengths.view(np.uint64)[None, :]), 0
    rows = np.flatnonzero(steps > 0)
    while len(rows):
        lanes[:, rows] = _mix(lanes[:, rows] ^ word(rows, at))
        at += 1
        rows = rows[steps[rows] > at]
    return lanes
