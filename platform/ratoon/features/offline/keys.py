"""Join keys of both sides brought to one type, and numbered."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.errors import DataError
from ratoon.features.offline.times import scanned


def plain(kind: pa.DataType) -> pa.DataType:
    """A type without its dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def meeting(entity: pa.DataType, view: pa.DataType, name: str, where: str) -> pl.DataType:
    """The type in which two key columns are compared.

    Raises:
        DataError: naming the column and the view, if values of the two types are never equal.
    """
    left, right = plain(entity), plain(view)
    if pa.types.is_null(left):
        left = right
    for test, dtype in _SORTS:
        if test(left) and test(right):
            return dtype
    if pa.types.is_integer(left) and pa.types.is_integer(right):
        return pl.UInt64() if left == right == pa.uint64() else pl.Int64()
    if _number(left) and _number(right):
        # pandas turns whole-number ids into floats as soon as one of them is missing.
        return pl.Float64() if pa.types.is_floating(left) and pa.types.is_floating(right) else pl.Int64()
    raise DataError(
        f"join key {name!r} of {where}",
        expected=f"entity rows with {right}, as the view has it",
        found=str(left),
        fix="Convert the entity column.",
    )


def comparable(left: pa.DataType, right: pa.DataType) -> bool:
    """Whether two columns, as two files of one view have them, hold keys of the same kind: texts, numbers, times ..."""
    one, other = plain(left), plain(right)
    if pa.types.is_null(one) or pa.types.is_null(other) or one == other:
        return True
    return any(test(one) and test(other) for test in (*(test for test, _ in _SORTS), _number))


def _text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


_SORTS = (
    (_text, pl.String()),
    (_bytes, pl.Binary()),
    (pa.types.is_boolean, pl.Boolean()),
    (pa.types.is_date, pl.Date()),
    (pa.types.is_timestamp, pl.Datetime("us", "UTC")),
)


def met(name: str, kind: pa.DataType, dtype: pl.DataType) -> pl.Expr:
    """A key column in the type of the comparison; null where it equals nothing."""
    column = pl.col(name)
    if dtype == pl.Datetime("us", "UTC"):
        return scanned(name, kind, f"key {name!r}").cast(dtype)
    if not pa.types.is_floating(plain(kind)):
        return column.cast(dtype, strict=False)
    if dtype == pl.Float64():
        return column.cast(dtype).fill_nan(None)
    return pl.when(column == column.floor()).then(column).cast(dtype, strict=False)


def codes_of(column: pa.ChunkedArray, dtype: pl.DataType) -> tuple[np.ndarray, pl.Series]:
    """Each value's number (int64, -1 for null), and the values in the order of their numbers."""
    kind = plain(column.type)
    column = column.cast(kind)
    if not (pa.types.is_string(kind) and dtype == pl.String()):
        frame = pl.DataFrame({"key": pl.from_arrow(column)})
        column = frame.select(met("key", kind, dtype)).to_series().to_arrow()
    encoded = pc.dictionary_encode(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return _numbers(encoded.indices), pl.Series("key", pl.from_arrow(encoded.dictionary), dtype=dtype)


def _numbers(indices: pa.Array) -> np.ndarray:
    found: np.ndarray = indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return found


def pair(codes: np.ndarray, wanted: pl.DataFrame, more: np.ndarray, values: pl.Series) -> tuple[np.ndarray, pl.DataFrame]:
    """Codes of pairs (a code so far, a value of one more column), and the columns behind each of them."""
    if wanted.height == 1 and wanted.width == 1:
        return more, pl.DataFrame([values, pl.Series("code", np.arange(len(values), dtype=np.uint32))])
    both = np.where((codes < 0) | (more < 0), -1, codes * max(len(values), 1) + more)
    encoded = pc.dictionary_encode(pa.array(both, mask=both < 0))
    found = encoded.dictionary.to_numpy(zero_copy_only=False).astype(np.int64)
    columns = wanted.drop("code")[found // max(len(values), 1)].with_columns(values[found % max(len(values), 1)])
    return _numbers(encoded.indices), columns.with_columns(code=pl.Series(np.arange(len(found), dtype=np.uint32)))
