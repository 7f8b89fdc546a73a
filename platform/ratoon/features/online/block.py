"""Packed rows -> columns: NumPy records as they lie, or Arrow where asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ratoon.domain.errors import StoreError
from ratoon.features.online.layout import NEVER, Layout, entry_width
from ratoon.features.online.pack import pack

Layouts = Callable[[bytes], Layout | None]


@dataclass(slots=True, eq=False)
class Block:
    """n entities' rows of one view, in the caller's order; entities without a row are rows of zeros.

    Attributes:
        records: (n,) of `layout.record`, read-only; a feature's numbers are `records["f<position>"]`.
        data: every row's bytes, one after the other.
        lengths: (n,) int64, the bytes of each row; None where all are as long as a record.
    """

    layout: Layout
    records: np.ndarray
    data: bytes
    lengths: np.ndarray | None = None

    @property
    def found(self) -> np.ndarray:
        """(n,) bool: which entities have a row, expired or not."""
        there: np.ndarray = self.records["layout"] != np.zeros(1, "V8")
        return there

    @property
    def live(self) -> np.ndarray:
        """(n,) bool: which entities have a row that has not expired."""
        live: np.ndarray = self.found & (self.records["event_ts"] != NEVER)
        return live

    def valid(self, name: str) -> np.ndarray:
        """(n,) bool: which entities have a value of a feature."""
        at = self.layout.positions[name]
        return (self.records["valid"][:, at >> 3] >> (at & 7) & 1).astype(bool)

    def numbers(self, name: str) -> np.ndarray:
        """(n,) a feature of fixed width: numbers, booleans as 0 and 1, times in microseconds; 0 where missing."""
        column: np.ndarray = self.records[f"f{self.layout.positions[name]}"]
        return column

    def variable(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A variable feature's bytes, and (n + 1,) int64, where each entity's begin and end in them."""
        at = self.layout.positions[name]
        begin, end = self._begin(at), self.records[f"f{at}"].astype(np.int64)
        lengths = np.where(self.valid(name), end - begin, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return np.frombuffer(self.data, np.uint8)[_ranges(self._tails() + begin, lengths)], offsets

    def _tails(self) -> np.ndarray:
        """Where each row's variable part begins in `data`."""
        if self.lengths is None:
            return np.arange(1, len(self.records) + 1) * self.layout.size
        tails: np.ndarray = np.cumsum(self.lengths) - self.lengths + self.layout.size
        return tails

    def _begin(self, at: int) -> np.ndarray:
        order = self.layout.variable.index(at)
        if not order:
            return np.zeros(len(self.records), np.int64)
        return self.records[f"f{self.layout.variable[order - 1]}"].astype(np.int64)

    def arrow(self, name: str) -> pa.Array:
        """A feature as an Arrow column."""
        at = self.layout.positions[name]
        of, missing = self.layout.arrow(at), ~self.valid(name)
        if at not in self.layout.variable:
            return _numbers(np.ascontiguousarray(self.numbers(name)), of, missing)
        data, offsets = self.variable(name)
        if not pa.types.is_list(of):
            return _texts(data, offsets, of, missing)
        return _lists(data, offsets, of, missing)

    def row(self, at: int) -> dict[str, object]:
        """One entity's values as Python has them, times as microseconds: for a single row faster than columns."""
        _, _, _, valid, *values = self.records[at].item()
        present = int.from_bytes(valid.tobytes(), "little")
        names = self.layout.positions
        row = {name: value if present >> place & 1 else None for (name, place), value in zip(names.items(), values, strict=True)}
        for place in self.layout.spelt:
            name, dtype = self.layout.fields[place]
            if row[name] is not None:
                row[name] = bool(row[name]) if dtype == "BOOL" else self._plain(name, dtype, at)
        return row

    def _plain(self, name: str, dtype: str, at: int) -> object:
        column = self.arrow(name)
        return (column.cast(pa.list_(pa.int64())) if dtype == "UNIX_TIMESTAMP_LIST" else column)[at].as_py()

    def table(self) -> pa.Table:
        """Every feature as an Arrow column."""
        return pa.table({name: self.arrow(name) for name, _ in self.layout.fields}, self.layout.schema)

    def without(self, expired: np.ndarray) -> "Block":
        """The same rows, those of `expired` without values and without a time."""
        records = self.records.copy()
        records["valid"][expired] = 0
        records["event_ts"][expired] = NEVER
        return Block(self.layout, records, self.data, self.lengths)


def _numbers(values: np.ndarray, of: pa.DataType, missing: np.ndarray) -> pa.Array:
    raw = pa.array(values, mask=missing if missing.any() else None)
    return raw if raw.type == of else raw.cast(of)


def _validity(missing: np.ndarray) -> pa.Buffer | None:
    return pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None


def _texts(data: np.ndarray, offsets: np.ndarray, of: pa.DataType, missing: np.ndarray | None) -> pa.Array:
    validity = None if missing is None else _validity(missing)
    buffers = [validity, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(of, len(offsets) - 1, buffers)


def _lists(data: np.ndarray, offsets: np.ndarray, of: pa.DataType, missing: np.ndarray) -> pa.Array:
    width = entry_width(of.value_type)
    if width:
        kind = np.uint8 if pa.types.is_boolean(of.value_type) else "<i8" if pa.types.is_timestamp(of.value_type) else None
        values = np.ascontiguousarray(data).view(kind or of.value_type.to_pandas_dtype())
        entries, counts = _numbers(values, of.value_type, np.zeros(len(values), bool)), np.diff(offsets) // width
    else:
        entries, counts = _entries(data, offsets, of.value_type, ~missing)
    ends = pa.py_buffer(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    return pa.Array.from_buffers(of, len(counts), [_validity(missing), ends], children=[entries])


def _entries(data: np.ndarray, offsets: np.ndarray, of: pa.DataType, valid: np.ndarray) -> tuple[pa.Array, np.ndarray]:
    counts = np.zeros(len(valid), np.int64)
    heads = offsets[:-1][valid]
    counts[valid] = data[heads[:, None] + np.arange(4)].reshape(-1).view("<u4") if len(heads) else 0
    sizes = data[_ranges(offsets[:-1] + 4, counts * 4)].view("<u4")
    texts = data[_ranges(offsets[:-1] + 4 + 4 * counts, np.where(valid, np.diff(offsets) - 4 - 4 * counts, 0))]
    return _texts(texts, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]), of, None), counts


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The positions starts[i], ..., starts[i] + lengths[i] - 1, for every i, one after the other."""
    before = np.concatenate([[0], np.cumsum(lengths)])
    return np.repeat(starts - before[:-1], lengths) + np.arange(before[-1])


def block(layout: Layout, rows: Sequence[bytes | None], layouts: Layouts) -> Block:
    """What a store gave for n entities, None for those it does not have, as `layout` sees it now.

    Args:
        layouts: finds the layout of a fingerprint among those the store has.

    Raises:
        StoreError: for a row that no known layout describes.
    """
    own = layout.fingerprint
    if len(rows) == 1:
        row = layout.blank if rows[0] is None else rows[0]
        if rows[0] is not None and not row.startswith(own):
            (row,) = _conformed(layout, rows, layouts)  # type: ignore[assignment]  # a row stays one
        lengths = np.array([len(row)]) if layout.variable else None
        return Block(layout, np.frombuffer(row, layout.record, 1), row, lengths)
    if any([row is not None and not row.startswith(own) for row in rows]):  # noqa: C419  # a list is twice as fast here
        rows = _conformed(layout, rows, layouts)
    size, filled = layout.size, [layout.blank if row is None else row for row in rows]
    data = b"".join(filled)
    if not layout.variable:
        return Block(layout, np.frombuffer(data, layout.record), data)
    head = b"".join([row[:size] for row in filled])
    return Block(layout, np.frombuffer(head, layout.record), data, np.fromiter(map(len, filled), np.int64, len(filled)))


def conformed(layout: Layout, row: bytes, layouts: Layouts) -> bytes:
    """One row as a layout has it, packed anew if it is of another; StoreError as for `block`."""
    if row.startswith(layout.fingerprint):
        return row
    (made,) = _conformed(layout, [row], layouts)
    assert made is not None
    return made


def _conformed(layout: Layout, rows: Sequence[bytes | None], layouts: Layouts) -> list[bytes | None]:
    """The rows, those of other layouts packed anew: features of the same name and type are kept."""
    done, groups = list(rows), dict[bytes, list[int]]()
    for at, row in enumerate(rows):
        if row is not None and row[:8] != layout.fingerprint:
            groups.setdefault(row[:8], []).append(at)
    for fingerprint, members in groups.items():
        known = layouts(fingerprint)
        if known is None:
            raise StoreError(
                "online row",
                expected="the fingerprint of a layout that is stored beside the rows",
                found=fingerprint.hex(),
                fix="Materialise the view again; the rows were not written by this version, or the layouts were lost.",
            )
        old = block(known, [rows[at] for at in members], layouts)
        for at, row in zip(members, _repacked(layout, old), strict=True):
            done[at] = row
    return done


def _repacked(layout: Layout, old: Block) -> list[bytes]:
    kept = dict(old.layout.fields)
    columns = {
        name: old.arrow(name) if kept.get(name) == dtype else pa.nulls(len(old.records), layout.arrow(at))
        for at, (name, dtype) in enumerate(layout.fields)
    }
    return pack(layout, pa.table(columns, layout.schema), old.records["event_ts"], old.records["created"])
