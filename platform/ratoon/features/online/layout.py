"""The packed row: all features of one entity in one view as one run of bytes.

    part       bytes            content (little-endian)
    layout     8                fingerprint: the first 8 bytes of the SHA-256 of the layout's JSON
    event_ts   8, signed        microseconds since 1970
    created    8, signed        microseconds since 1970; -2^63 where the source has no such column
    valid      ceil(k / 8)      bit i % 8 of byte i // 8 is 1 where feature i has a value (k features, in the view's order)
    fixed      per feature      numbers and times as they are (times: microseconds), booleans as one byte;
                                of a variable feature: u32, where its part ends, counted from the end of the fixed part
    variable   per feature      text: UTF-8. bytes: as they are. list of numbers, times or booleans: the entries, as above.
                                list of texts or bytes: u32 how many, u32 the length of each, then all of them

A missing value is zero, or of no length, and its bit is 0: a row of zeros is a row without values. There is no padding.
The columns before the variable part are one packed NumPy record (`Layout.record`), so that n rows are n records.

Layouts are stored beside the rows under their fingerprint. A view that gains a feature has a new layout; rows written
before keep theirs, and their missing features are missing.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from ratoon.features.views import ARROW_TYPES, ViewField

NEVER = -(2**63)
"""`created` of a row whose source does not say when it arrived; as it is read, `event_ts` of a row that has expired."""

OTHER = "PROTO"
"""The type of a feature that only Feast can read: a text of bytes, Feast's serialised value."""

_FIXED = {"INT32": "<i4", "INT64": "<i8", "FLOAT": "<f4", "DOUBLE": "<f8", "BOOL": "u1", "UNIX_TIMESTAMP": "<i8"}
_CODES = {"i4": "i", "i8": "q", "f4": "f", "f8": "d", "u1": "B", "u4": "I"}
_SIMPLE = frozenset(ARROW_TYPES)


@dataclass(frozen=True)
class Layout:
    """What the bytes of a view's rows mean.

    Attributes:
        fields: (feature, Feast's value type name) in the view's order.
    """

    fields: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, fields: Iterable[ViewField]) -> "Layout":
        """The layout of a view's features."""
        return cls(tuple((field.name, field.dtype if field.dtype in _SIMPLE else OTHER) for field in fields))

    @cached_property
    def text(self) -> str:
        """The layout as JSON; equal layouts are equal texts."""
        return json.dumps(self.fields, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> "Layout":
        """The inverse of `text`."""
        return cls(tuple((str(name), str(dtype)) for name, dtype in json.loads(text)))

    @cached_property
    def fingerprint(self) -> bytes:
        """What every row of this layout starts with."""
        return hashlib.sha256(self.text.encode()).digest()[:8]

    @cached_property
    def record(self) -> np.dtype[np.void]:
        """The part before the variable one, as NumPy sees it; features under their position, as `f0`, `f1`, ..."""
        head = [("layout", "V8"), ("event_ts", "<i8"), ("created", "<i8"), ("valid", "u1", ((len(self.fields) + 7) // 8,))]
        return np.dtype([*head, *((f"f{at}", _FIXED.get(dtype, "<u4")) for at, (_, dtype) in enumerate(self.fields))])

    @cached_property
    def packing(self) -> struct.Struct:
        """The same part for one row: layout, event time, arrival, which values are there, then the features."""
        codes = "".join(_CODES[_FIXED.get(dtype, "<u4").removeprefix("<")] for _, dtype in self.fields)
        return struct.Struct(f"<8sqq{(len(self.fields) + 7) // 8}s{codes}")

    @cached_property
    def size(self) -> int:
        """The bytes before the variable part."""
        return self.record.itemsize

    @cached_property
    def blank(self) -> bytes:
        """A row without values."""
        return bytes(self.size)

    @cached_property
    def variable(self) -> tuple[int, ...]:
        """The positions of the features with a variable part."""
        return tuple(at for at, (_, dtype) in enumerate(self.fields) if dtype not in _FIXED)

    @cached_property
    def spelt(self) -> tuple[int, ...]:
        """The positions of the features whose value is not the number in the record."""
        return tuple(at for at, (_, dtype) in enumerate(self.fields) if dtype not in _FIXED or dtype == "BOOL")

    @cached_property
    def positions(self) -> dict[str, int]:
        """Feature -> its position."""
        return {name: at for at, (name, _) in enumerate(self.fields)}

    def arrow(self, at: int) -> pa.DataType:
        """The Arrow type of the feature at a position."""
        return ARROW_TYPES.get(self.fields[at][1], pa.binary())

    @cached_property
    def schema(self) -> pa.Schema:
        """One column per feature."""
        return pa.schema([pa.field(name, self.arrow(at)) for at, (name, _) in enumerate(self.fields)])


def entry_width(of: pa.DataType) -> int:
    """The bytes of one entry of a list; 0 where they vary."""
    if pa.types.is_boolean(of):
        return 1
    return of.bit_width // 8 if pa.types.is_primitive(of) else 0


def bits(valid: Sequence[np.ndarray]) -> np.ndarray:
    """Columns of booleans (k of length n) as the rows' bitmaps, (n, ceil(k / 8)) bytes."""
    return np.packbits(np.stack(valid, axis=1), axis=1, bitorder="little")
