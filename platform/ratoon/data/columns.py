"""The columns that every layout has: their names as written, ids, and values.

It does not know which layout it serves. A column that can never be right raises; a row that is not right gets a reason.
"""

import difflib
from collections.abc import Callable, Sequence

import polars as pl

from ratoon.data.quarantine import fault, first_fault
from ratoon.domain.errors import DataError

LONGEST_ID = 256
"""An id's greatest length in characters; a longer one is a sign of shifted or glued columns."""


def require(file: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    """Check that a file has the columns it must have, under exactly these names.

    Raises:
        DataError: a column is missing; names the file, the column, the columns there are, and a near match.
    """
    for name in wanted:
        if name not in present:
            raise DataError(
                f"{file} column {name!r}",
                expected=f"a column named {name!r}",
                found=f"columns {_listed(present)}",
                fix=_advice(name, wanted, present),
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _advice(name: str, wanted: Sequence[str], present: Sequence[str]) -> str:
    if len(present) == 1 and len(wanted) > 1:
        for mark, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if mark in present[0]:
                return f"The header looks separated by {called}; separate the columns by commas."
    spare = {other.strip().casefold(): other for other in present if other not in wanted}
    near = difflib.get_close_matches(name.casefold(), list(spare), n=1)
    return f"Rename {spare[near[0]]!r} to {name!r}; names are matched to the letter." if near else "Add it to the file."


def typed(
    file: str, name: str, column: pl.Series, parse: Callable[[pl.Series], tuple[pl.Series, pl.Series]], what: str
) -> tuple[pl.Series, pl.Series]:
    """`parse(column)`, whose TypeError (a column type that can never hold `what`) becomes a DataError naming the column."""
    try:
        return parse(column)
    except TypeError as wrong:
        raise DataError(
            f"{file} column {name!r}",
            expected=what,
            found=f"the type {column.dtype}",
            fix="Write the column with another type.",
        ) from wrong


def ids(column: pl.Series, whose: str) -> tuple[pl.Series, pl.Series]:
    """Read n ids of users or items (`whose`): text as it is, whole numbers as their digits.

    Returns:
        (n,) text; and (n,) the reason against each row, null where sound.

    Raises:
        TypeError: the column's type cannot hold an id.
    """
    if column.dtype.is_float():
        # pandas turns whole-number ids into floats as soon as one of them is missing.
        real = column.fill_nan(None)
        text = real.cast(pl.Int64, strict=False).cast(pl.String)
        broken = real.is_not_null() & ((real != real.floor()) | text.is_null())
    elif column.dtype.is_integer() or column.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null):
        text, broken = column.cast(pl.String), pl.repeat(False, len(column), eager=True)
    else:
        raise TypeError(f"{column.dtype} holds no ids")
    return text, first_fault(
        fault(broken, f"{whose} id is not a whole number"),
        fault(text.is_null() | (text.str.strip_chars() == ""), f"missing {whose} id"),
        fault(text.str.len_chars() > LONGEST_ID, f"{whose} id longer than {LONGEST_ID} characters"),
    )


def values(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Read the strengths of n interactions (stars, seconds, a price); none is fine.

    Returns:
        (n,) Float64; and (n,) the reason against each row, null where sound.

    Raises:
        TypeError: the column's type cannot hold numbers.
    """
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Null)):
        raise TypeError(f"{column.dtype} holds no numbers")
    stripped = column.str.strip_chars() if column.dtype == pl.String else column
    number = stripped.cast(pl.Float64, strict=False)
    return number, first_fault(
        fault(column.is_not_null() & number.is_null(), "value is not a number"),
        fault(~number.is_finite(), "value is not finite"),
    )
