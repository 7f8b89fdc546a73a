"""Feature columns -> one JSON object per row.

It does not know which features a model wants; it carries every column it is given.
"""

import json

import polars as pl

from ratoon.data.quarantine import fault, first_fault

_WHOLE = r"^-?(0|[1-9]\d{0,17})$"
_REAL = r"^-?(0|[1-9]\d{0,14})(\.\d+)?([eE][+-]?\d{1,3})?$"
_NAMES = (pl.String, pl.Categorical, pl.Enum)


def infer(column: pl.Series) -> pl.Series:
    """Give n text values the narrowest type that loses nothing: whole numbers, numbers, true/false, else text.

    A leading zero makes text (`01234` is a code, no number). If any value contains `|`, every value is a list, split
    there, and its elements are typed in the same way.
    """
    if column.str.contains("|", literal=True).any():
        lists = column.str.split("|").list.eval(pl.element().str.strip_chars().replace("", None).drop_nulls())
        inner = _scalar(lists.explode(empty_as_null=True).drop_nulls())
        return lists.cast(pl.List(inner)) if inner != pl.Boolean else lists
    kind = _scalar(column.drop_nulls())
    if kind == pl.Boolean:
        return column.str.to_lowercase() == "true"
    return column.cast(kind)


def _scalar(present: pl.Series) -> type[pl.DataType]:
    if present.is_empty():
        return pl.String
    if present.str.contains(_WHOLE).all():
        return pl.Int64
    if present.str.contains(_REAL).all():
        return pl.Float64
    return pl.Boolean if present.str.contains("^(?i:true|false)$").all() else pl.String


def as_json(columns: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Encode n rows of features: a JSON object each (RFC 8259), without the features that are null or NaN.

    Dates become `YYYY-MM-DD`, moments `YYYY-MM-DDThh:mm:ss.ffffffZ`, nulls inside lists are left out.

    Returns:
        (n,) text; and (n,) the reason against each row (an infinite number, NaN in a list), null where sound.

    Raises:
        TypeError: a column's type has no JSON form here; the message is `NAME: TYPE`.
    """
    plain = columns.with_columns([_plain(column) for column in columns])
    faults = [pl.repeat(None, columns.height, dtype=pl.String, eager=True)]
    faults += [fault(_infinite(column), f"feature {column.name} is not finite") for column in plain]
    reasons = first_fault(*faults)
    objects = [
        json.dumps({name: value for name, value in row.items() if value is not None}, ensure_ascii=False)
        for row in plain.iter_rows(named=True)
    ]
    return pl.Series("features", objects, dtype=pl.String), reasons


def _plain(column: pl.Series) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pl.Array):
        return _plain(column.cast(pl.List(dtype.inner)))
    if isinstance(dtype, pl.List) and (_is_number(dtype.inner) or dtype.inner in (*_NAMES, pl.Boolean, pl.Null)):
        return column.list.drop_nulls()
    if isinstance(dtype, pl.Datetime):
        utc = column.dt.replace_time_zone("UTC") if dtype.time_zone is None else column.dt.convert_time_zone("UTC")
        return utc.dt.to_string("%Y-%m-%dT%H:%M:%S%.6fZ")
    if dtype == pl.Date:
        return column.dt.to_string("%Y-%m-%d")
    if dtype.is_decimal():
        return column.cast(pl.Float64)
    if dtype.is_float():
        return column.fill_nan(None)
    if dtype.is_integer() or dtype in (*_NAMES, pl.Boolean, pl.Null):
        return column
    raise TypeError(f"{column.name}: {dtype}")


def _is_number(dtype: object) -> bool:
    return isinstance(dtype, pl.DataType) and (dtype.is_integer() or dtype.is_float())


def _infinite(column: pl.Series) -> pl.Series:
    if column.dtype.is_float():
        return column.is_infinite()
    if isinstance(column.dtype, pl.List) and column.dtype.inner in (pl.Float32, pl.Float64):
        return column.list.eval(pl.element().is_finite()).list.all().not_()
    return pl.repeat(False, len(column), eager=True)
