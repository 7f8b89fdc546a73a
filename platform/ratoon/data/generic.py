"""The generic layout: `interactions`, and if there are any `items` and `users`, each as .parquet or .csv.

Interactions may also be a folder `interactions/` of Parquet files, read in order of their names.
interactions: user, item, timestamp; type and value if known; other columns are ignored. items: item; users: user; for
both a timestamp if known, and every other column is a feature. It does not know what becomes of the rows.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ratoon.data.delimited import delimited_parts, read_delimited
from ratoon.data.features import infer
from ratoon.data.quarantine import Quarantine, Sheet
from ratoon.domain.errors import DataError

ENDINGS = (".parquet", ".csv")
NAMES = "interactions.parquet|csv or interactions/*.parquet"
PART = 1 << 19
"""Rows of a Parquet file read at once."""

_NO_FEATURES = ("item", "user", "timestamp")


def candidates(name: str) -> list[str]:
    """The file names under which `name` may stand in a folder."""
    return [f"{name}{ending}" for ending in ENDINGS]


def found(folder: Path) -> bool:
    """Whether the folder has interactions in this layout."""
    return bool(_files(folder, "interactions") or _pieces(folder))


def tables(folder: Path, quarantine: Quarantine) -> tuple[Iterator[Sheet], Sheet | None, Sheet | None]:
    """Interactions in parts, and items and users where there is a file of them; the features of a CSV file get types.

    Raises:
        DataError: a table stands there in two forms, there are no interactions, or a file cannot be read.
    """
    items, users = (_typed(_table(folder, name, quarantine)) for name in ("items", "users"))
    return _interactions(folder, quarantine), items, users


def _files(folder: Path, name: str) -> list[Path]:
    return [folder / file for file in candidates(name) if (folder / file).is_file()]


def _pieces(folder: Path) -> list[Path]:
    return sorted((folder / "interactions").glob("*.parquet"))


def _interactions(folder: Path, quarantine: Quarantine) -> Iterator[Sheet]:
    path, pieces = _one(folder, "interactions"), _pieces(folder)
    if path and pieces:
        raise _twice(folder, "interactions", f"{path.name} and {len(pieces)} files in interactions/")
    if not path and not pieces:
        raise DataError(
            str(folder),
            expected=NAMES,
            found="none of them",
            fix="Name the file of interactions like that.",
        )
    if path and path.suffix == ".csv":
        return delimited_parts(path, quarantine)
    return (part for file in ([path] if path else pieces) for part in _parquet_parts(file, folder))


def _one(folder: Path, name: str) -> Path | None:
    there = _files(folder, name)
    if len(there) > 1:
        raise _twice(folder, name, " and ".join(path.name for path in there))
    return there[0] if there else None


def _twice(folder: Path, name: str, there: str) -> DataError:
    fix = "Remove one of them; which one to believe is yours to say."
    return DataError(str(folder), expected=f"one file of {name}", found=there, fix=fix)


def _table(folder: Path, name: str, quarantine: Quarantine) -> Sheet | None:
    path = _one(folder, name)
    if path is None:
        return None
    if path.suffix == ".csv":
        return read_delimited(path, quarantine)
    parts = list(_parquet_parts(path, folder))
    columns, lines = pl.concat([part.columns for part in parts]), pl.concat([part.lines for part in parts])
    return Sheet(path.name, columns, lines, None)


def _parquet_parts(path: Path, folder: Path) -> Iterator[Sheet]:
    """At least one sheet, so that a file without rows still shows its columns."""
    name = str(path.relative_to(folder))
    try:
        rows = pl.scan_parquet(path)
        total = rows.select(pl.len()).collect().item()
        for start in range(0, max(total, 1), PART):
            columns = rows.slice(start, PART).collect()
            yield Sheet(name, columns, pl.int_range(start + 1, start + 1 + columns.height, eager=True), None)
    except (pl.exceptions.PolarsError, OSError) as wrong:
        said = str(wrong).splitlines()[0]
        raise DataError(name, expected="a Parquet file", found=said, fix="Write the file again.") from wrong


def _typed(sheet: Sheet | None) -> Sheet | None:
    if sheet is None or sheet.text is None:
        return sheet
    columns = [column if column.name in _NO_FEATURES else infer(column) for column in sheet.columns]
    return Sheet(sheet.file, pl.DataFrame(columns), sheet.lines, sheet.text)
