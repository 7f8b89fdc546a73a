"""64 bits for each event, from columns and not row by row: by them ids are found, and damage is noticed.

A text's hash is the sum of its bytes, each times the odd number of its place (multilinear hashing: Carter, Wegman 1979, Universal
Classes of Hash Functions), modulo 2^64. Another byte at one place always gives another hash, and so does another value in one
column of an event. Two texts may share a hash: whoever finds one compares the texts.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.event import LOG_SCHEMA

Hashes = npt.NDArray[np.uint64]
"""Shape (n,)."""

_FEW = ("kind", "surface", "type")
_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_NOTHING = np.uint64(0xD6E8FEB86659FD93)
_NEXT = np.uint64(0x2545F4914F6CDD1D)


def of_texts(texts: pa.Array) -> Hashes:
    """A hash for each text or nothing."""
    if texts.null_count == len(texts):
        return np.full(len(texts), _NOTHING)
    whole = texts.fill_null("") if texts.null_count else texts
    _, places, content = whole.buffers()
    ends = np.frombuffer(places, np.int32)[whole.offset : whole.offset + len(whole) + 1].astype(np.int64)
    data = np.frombuffer(content, np.uint8)[ends[0] : ends[-1]] if content is not None else np.empty(0, np.uint8)
    ends -= ends[0]
    lengths = np.diff(ends)
    longest, shortest = int(lengths.max()), int(lengths.min())
    odd = _ODD[:longest] if longest <= len(_ODD) else _odd(longest)
    if longest == shortest > 0:
        found: Hashes = data.reshape(-1, longest).astype(np.uint64) @ odd
    else:
        within = np.arange(len(data)) - np.repeat(ends[:-1], lengths)
        sums = np.zeros(len(data) + 1, np.uint64)
        np.cumsum(odd[within] * data, out=sums[1:])
        found = sums[ends[1:]] - sums[ends[:-1]]
    found = found + _GOLDEN * lengths.astype(np.uint64)
    return np.where(_absent(texts), _NOTHING, found) if texts.null_count else found


def of_events(logged: pa.Table, ids: Hashes | None = None) -> Hashes:
    """A hash for each event of the log (LOG_SCHEMA), from everything that it says.

    Args:
        ids: those of their ids, where they are known.
    """
    found = np.zeros(logged.num_rows, np.uint64)
    for column, field in zip(logged.columns, LOG_SCHEMA, strict=True):
        if field.name == "event_id" and ids is not None:
            own = ids
        elif field.name in _FEW:
            own = _of_few(column.combine_chunks())
        else:
            own = of_texts(column.combine_chunks()) if pa.types.is_string(field.type) else _of_numbers(column.combine_chunks())
        found = found * _NEXT + own
    return found


def _of_few(texts: pa.Array) -> Hashes:
    """As `of_texts`, where most are equal."""
    coded = texts.dictionary_encode(null_encoding="encode")
    found: Hashes = of_texts(coded.dictionary)[coded.indices.to_numpy()]
    return found


def _of_numbers(numbers: pa.Array) -> Hashes:
    kind = np.float64 if pa.types.is_floating(numbers.type) else np.int64
    bits = np.asarray(numbers.cast(pa.int64() if kind is np.int64 else pa.float64()).fill_null(0)).astype(kind)
    found: Hashes = _mixed((bits + kind(0)).view(np.uint64))  # -0.0 and 0.0 are equal
    return np.where(_absent(numbers), _NOTHING, found) if numbers.null_count else found


def _absent(values: pa.Array) -> npt.NDArray[np.bool_]:
    return np.asarray(pc.is_null(values))


def _odd(count: int) -> Hashes:
    """The odd numbers of the first places."""
    return _mixed(np.arange(count, dtype=np.uint64)) | np.uint64(1)


def _mixed(bits: Hashes) -> Hashes:
    # One to one (splitmix64: Steele, Lea, Flood 2014): equal ends of numbers would otherwise give equal ends of hashes.
    bits = bits + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))


_ODD = _odd(1024)
