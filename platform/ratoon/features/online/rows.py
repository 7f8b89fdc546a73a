"""One entity's packed rows -> the tower's inputs, as Python has them: for a single request columns cost more than they give."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ratoon.domain.schema import Feature
from ratoon.features.online.layout import Layout

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CODES = {"i4": "i", "i8": "q", "f4": "f", "f8": "d", "u1": "B", "u4": "I"}
_ENTRIES = {"INT32_LIST": "<i4", "INT64_LIST": "<i8", "FLOAT_LIST": "<f4", "DOUBLE_LIST": "<f8"}
_HEAD = 4
"""The record's parts before the features: layout, event time, arrival, and which values are there."""

Decoder = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Input:
    """One feature in a view's rows.

    Attributes:
        place: its place in the record.
        begin: the place where the bytes of the variable feature before it end; its own if it is the first; -1 if it is fixed.
        decoded: its number, or its bytes, as the tower takes them.
    """

    name: str
    place: int
    begin: int
    decoded: Decoder


class RowReader:
    """Reads some features of one view's rows of one layout."""

    def __init__(self, layout: Layout, features: Sequence[Feature]) -> None:
        kinds = (layout.record.fields or {}).items()
        codes = "".join(_CODES[of.str[1:]] for name, (of, *_) in kinds if name[1:].isdigit())
        self._record = struct.Struct(f"<8sqq{(len(layout.fields) + 7) // 8}s{codes}")
        self._inputs = [_input(layout, feature) for feature in features if feature.name in layout.positions]
        self.layout = layout

    def read(self, row: bytes) -> dict[str, object]:
        """The features in a row of this layout, those without a value left out."""
        record = self._record.unpack_from(row)
        valid, size = int.from_bytes(record[_HEAD - 1], "little"), self._record.size
        found = {}
        for one in self._inputs:
            if valid >> one.place & 1:
                value = record[_HEAD + one.place]
                if one.begin >= 0:
                    start = 0 if one.begin == one.place else record[_HEAD + one.begin]
                    value = row[size + start : size + value]
                found[one.name] = one.decoded(value)
        return found


def _input(layout: Layout, feature: Feature) -> Input:
    place = layout.positions[feature.name]
    if place not in layout.variable:
        return Input(feature.name, place, -1, _fixed(layout.fields[place][1], layout.arrow(place), feature))
    order = layout.variable.index(place)
    begin = layout.variable[order - 1] if order else place
    return Input(feature.name, place, begin, _variable(layout.fields[place][1], feature))


def _fixed(dtype: str, of: pa.DataType, feature: Feature) -> Decoder:
    if feature.vocabulary:  # a number that stands for itself is spelt as Arrow spells it, as in a batch
        spelt = pa.uint8() if dtype == "BOOL" else pa.int64() if dtype == "UNIX_TIMESTAMP" else of
        return lambda value: pa.array([value], spelt).cast(of).cast(pa.string())[0].as_py()
    match dtype:
        case "BOOL":
            return bool
        case "UNIX_TIMESTAMP":
            return moment
        case _:
            return _same


def _variable(dtype: str, feature: Feature) -> Decoder:
    match dtype:
        case "STRING":
            return _text
        case "STRING_LIST":
            return _texts
        case "BYTES_LIST":
            return _chunks
        case "INT32_LIST" | "INT64_LIST" | "FLOAT_LIST" | "DOUBLE_LIST":
            return _numbers(_ENTRIES[dtype], feature)
        case "BOOL_LIST":
            return lambda data: np.frombuffer(data, np.uint8).astype(bool).tolist()
        case "UNIX_TIMESTAMP_LIST":
            return lambda data: [moment(micros) for micros in np.frombuffer(data, "<i8").tolist()]
        case _:
            return _same


def _numbers(of: str, feature: Feature) -> Decoder:
    if feature.kind == "vector":
        return lambda data: np.frombuffer(data, of)
    return lambda data: np.frombuffer(data, of).tolist()


def _same(value: object) -> object:
    return value


def _text(data: bytes) -> str:
    return data.decode()


def moment(micros: int) -> datetime | None:
    """A time in microseconds since 1970; None for one that Python does not have."""
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:  # beyond the year 9999 there is no Python time
        return None


def _chunks(data: bytes) -> list[bytes]:
    (count,) = struct.unpack_from("<I", data)
    at, found = 4 + 4 * count, []
    for size in struct.unpack_from(f"<{count}I", data, 4):
        found.append(data[at : at + size])
        at += size
    return found


def _texts(data: bytes) -> list[str]:
    return [chunk.decode() for chunk in _chunks(data)]
