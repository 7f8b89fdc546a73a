"""Sheets with known column names -> checked rows, ready to become events; what fails goes to quarantine.

It does not know where the sheets came from.
"""

from typing import Literal

import polars as pl

from ratoon.data.columns import ids, require, typed, values
from ratoon.data.features import as_json
from ratoon.data.quarantine import Quarantine, Sheet, fault, first_fault
from ratoon.data.timestamps import microseconds
from ratoon.domain.errors import DataError

DEFAULT_TYPE = "rating"


def interactions(sheet: Sheet, quarantine: Quarantine) -> pl.DataFrame:
    """Check interactions: columns `user`, `item`, `timestamp`, and `type` and `value` if they are there.

    Returns:
        the m <= n good rows: user, item (text), us (Int64 microseconds since 1970 UTC), type (text), value (Float64).

    Raises:
        DataError: a column is missing or has a type that cannot be right.
    """
    file, columns = sheet.file, sheet.columns
    require(file, ("user", "item", "timestamp"), columns.columns)
    user, bad_user = typed(file, "user", columns["user"], lambda column: ids(column, "user"), "ids: text or whole numbers")
    item, bad_item = typed(file, "item", columns["item"], lambda column: ids(column, "item"), "ids: text or whole numbers")
    us, bad_us = typed(file, "timestamp", columns["timestamp"], microseconds, "moments: numbers, text or timestamps")
    value, bad_value = typed(file, "value", _optional(columns, "value"), values, "numbers")
    kind, _ = typed(file, "type", _optional(columns, "type"), lambda column: ids(column, "type"), "names")
    sound = quarantine.sift(sheet, first_fault(bad_user, bad_item, bad_us, bad_value))
    frame = pl.DataFrame(
        {"user": user, "item": item, "us": us, "type": kind.replace("", None).fill_null(DEFAULT_TYPE), "value": value}
    )
    return frame.filter(sound)


def entities(sheet: Sheet, kind: Literal["user", "item"], quarantine: Quarantine) -> pl.DataFrame:
    """Check users or items: the column `kind` is the id, `timestamp` (if any) the time; all others are features.

    Without a timestamp an id may stand once, with timestamps once per moment; a repeated one is put aside.

    Returns:
        the m <= n good rows: id (text), us (Int64 microseconds since 1970 UTC, null if not given), features (JSON text).

    Raises:
        DataError: the id column is missing, or a column has a type that cannot be right.
    """
    file, columns = sheet.file, sheet.columns
    require(file, (kind,), columns.columns)
    name, bad_id = typed(file, kind, columns[kind], lambda column: ids(column, kind), "ids: text or whole numbers")
    given = _optional(columns, "timestamp")
    us, bad_us = typed(file, "timestamp", given, microseconds, "moments: numbers, text or timestamps")
    features, bad_features = _features(file, columns.drop(kind, "timestamp", strict=False))
    faults = first_fault(bad_id, bad_us.set(given.is_null(), None), bad_features)
    frame = pl.DataFrame({"id": name, "us": us, "features": features, "sound": faults.is_null()})
    again = frame.select(again=pl.col("sound") & (pl.int_range(pl.len()).over("id", "us", "sound") > 0))
    sound = quarantine.sift(sheet, first_fault(faults, fault(again["again"], f"duplicate {kind}")))
    return frame.filter(sound).drop("sound")


def _optional(columns: pl.DataFrame, name: str) -> pl.Series:
    if name in columns.columns:
        return columns[name]
    return pl.repeat(None, columns.height, dtype=pl.String, eager=True)


def _features(file: str, columns: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    if "" in columns.columns:
        raise DataError(
            f"{file} column {columns.columns.index('') + 1} of its features",
            expected="a name, as the feature is called by it",
            found="an empty one",
            fix="Name the column, or leave it out (pandas: index=False).",
        )
    try:
        return as_json(columns)
    except TypeError as wrong:
        name, _, dtype = str(wrong).partition(": ")
        raise DataError(
            f"{file} column {name!r}",
            expected="numbers, text, true/false, dates, or a list of them",
            found=f"the type {dtype}",
            fix="Write the column with another type.",
        ) from wrong
