"""The generic layout: `interactions`, and if there are any `items` and `users`, each as .parquet or .csv.

interactions: user, item, timestamp; type and value if known; other columns are ignored. items: item; users: user; for
both a timestamp if known, and every other column is a feature. It does not know what becomes of the rows.
"""

from pathlib import Path

import polars as pl

from ratoon.data.delimited import read_delimited
from ratoon.data.features import infer
from ratoon.data.quarantine import Quarantine, Sheet
from ratoon.domain.errors import DataError

ENDINGS = (".parquet", ".csv")
_NO_FEATURES = ("item", "user", "timestamp")


def candidates(name: str) -> list[str]:
    """The file names under which `name` may stand in a folder."""
    return [f"{name}{ending}" for ending in ENDINGS]


def tables(folder: Path, quarantine: Quarantine) -> tuple[Sheet, Sheet | None, Sheet | None]:
    """Interactions, and items and users where there is a file of them; the features of a CSV file get types.

    Raises:
        DataError: a table stands there in both formats, or a file cannot be read.
    """
    interactions = _table(folder, "interactions", quarantine)
    if interactions is None:
        raise DataError(
            str(folder),
            expected=" or ".join(candidates("interactions")),
            found="neither",
            fix="Name the file of interactions like that.",
        )
    return interactions, _typed(_table(folder, "items", quarantine)), _typed(_table(folder, "users", quarantine))


def _table(folder: Path, name: str, quarantine: Quarantine) -> Sheet | None:
    there = [folder / file for file in candidates(name) if (folder / file).is_file()]
    if len(there) > 1:
        raise DataError(
            str(folder),
            expected=f"one file of {name}",
            found=" and ".join(path.name for path in there),
            fix="Remove one of them; which one to believe is yours to say.",
        )
    if not there:
        return None
    return _parquet(there[0]) if there[0].suffix == ".parquet" else read_delimited(there[0], quarantine)


def _parquet(path: Path) -> Sheet:
    try:
        columns = pl.read_parquet(path)
    except pl.exceptions.PolarsError as wrong:
        raise DataError(
            path.name, expected="a Parquet file", found=str(wrong).splitlines()[0], fix="Write the file again."
        ) from wrong
    return Sheet(path.name, columns, pl.int_range(1, columns.height + 1, eager=True), None)


def _typed(sheet: Sheet | None) -> Sheet | None:
    if sheet is None or sheet.text is None:
        return sheet
    columns = [column if column.name in _NO_FEATURES else infer(column) for column in sheet.columns]
    return Sheet(sheet.file, pl.DataFrame(columns), sheet.lines, sheet.text)
