"""Feast's values <-> packed columns, for what comes in one row at a time: pushes, and reads through Feast's own client."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from feast.protos.feast.types import Value_pb2
from feast.protos.feast.types.Value_pb2 import Value as ValueProto

from ratoon.domain.errors import DataError
from ratoon.features.online.block import Block
from ratoon.features.online.layout import OTHER, Layout

SECOND_US = 1_000_000

_LISTS = {
    "BYTES_LIST": Value_pb2.BytesList,
    "STRING_LIST": Value_pb2.StringList,
    "INT32_LIST": Value_pb2.Int32List,
    "INT64_LIST": Value_pb2.Int64List,
    "DOUBLE_LIST": Value_pb2.DoubleList,
    "FLOAT_LIST": Value_pb2.FloatList,
    "BOOL_LIST": Value_pb2.BoolList,
    "UNIX_TIMESTAMP_LIST": Value_pb2.Int64List,
}


def columns(view: str, layout: Layout, rows: Sequence[Mapping[str, ValueProto]]) -> pa.Table:
    """The layout's features of rows that Feast wants written; one that a row does not have is missing.

    Raises:
        DataError: naming view and feature, for a value of another type than declared.
    """
    made = {
        name: _column(view, name, dtype, layout.arrow(at), [row.get(name) for row in rows])
        for at, (name, dtype) in enumerate(layout.fields)
    }
    return pa.table(made, layout.schema)


def _column(view: str, name: str, dtype: str, of: pa.DataType, values: Iterable[ValueProto | None]) -> pa.Array:
    plain = [None if value is None else _plain(view, name, dtype, value) for value in values]
    if dtype.startswith("UNIX_TIMESTAMP"):
        return pa.array(plain, pa.list_(pa.int64()) if dtype.endswith("_LIST") else pa.int64()).cast(of)
    return pa.array(plain, of)


def _plain(view: str, name: str, dtype: str, value: ValueProto) -> Any:
    kind = value.WhichOneof("val")
    if kind is None or kind == "null_val":
        return None
    if dtype == OTHER:
        return value.SerializeToString()
    if kind != f"{dtype.lower()}_val":
        raise DataError(
            f"feature {name!r} of feature view {view!r}",
            expected=dtype.lower(),
            found=kind.removesuffix("_val"),
            fix="Write a value of the type that the view declares.",
        )
    plain = getattr(value, kind)
    if dtype.endswith("_LIST"):
        return [entry * SECOND_US for entry in plain.val] if dtype.startswith("UNIX") else list(plain.val)
    return plain * SECOND_US if dtype == "UNIX_TIMESTAMP" else plain


def single(rows: Block, names: Sequence[str]) -> list[list[ValueProto]]:
    """`values` of each feature for a block of one row, without columns in between."""
    row, dtypes = rows.row(0), dict(rows.layout.fields)
    return [[ValueProto() if row[name] is None else _message(dtypes[name], row[name])] for name in names]


def values(rows: Block, name: str) -> list[ValueProto]:
    """One value per row; a missing one is Feast's empty value. Times lose what is below a second, as Feast has them."""
    dtype, column = rows.layout.fields[rows.layout.positions[name]][1], rows.arrow(name)
    if dtype == "UNIX_TIMESTAMP":
        column = column.cast(pa.int64())
    elif dtype == "UNIX_TIMESTAMP_LIST":
        column = column.cast(pa.list_(pa.int64()))
    return [ValueProto() if value is None else _message(dtype, value) for value in column.to_pylist()]


def _message(dtype: str, value: Any) -> ValueProto:
    if dtype == OTHER:
        message: ValueProto = ValueProto.FromString(value)
        return message
    if dtype == "UNIX_TIMESTAMP":
        value //= SECOND_US
    elif dtype == "UNIX_TIMESTAMP_LIST":
        value = [entry // SECOND_US for entry in value]
    wrapped = _LISTS[dtype](val=value) if dtype in _LISTS else value
    return ValueProto(**{f"{dtype.lower()}_val": wrapped})
