"""`period_0.txt`, `period_1.txt`, ...: lines `session item`, as continual-recommendation benchmarks are handed around.

There is no clock in them: the file's number and the line's place are the time. A period counts as a week, its lines are
spread evenly over it, and a session is a user (layout: github.com/DoubleMuL/ADER). It does not know what becomes of the rows.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ratoon.data.delimited import delimited_parts
from ratoon.data.quarantine import Quarantine, Sheet
from ratoon.domain.errors import DataError

NAMES = "period_0.txt, period_1.txt, ..."

START_US = 946_857_600_000_000
"""2000-01-03T00:00:00Z, a Monday: the beginning of period 0."""

WEEK_US = 7 * 86_400_000_000

_NAME = re.compile(r"period_(\d{1,4})\.txt")


def found(folder: Path) -> bool:
    """Whether the folder has such a file."""
    return bool(_numbered(folder))


def sessions(folder: Path, quarantine: Quarantine) -> tuple[Iterator[Sheet], None, None]:
    """Interactions (type `click`, no value) in parts, in order of time.

    Raises:
        DataError: a period between the first and the last is missing, or stands twice (`period_1.txt`, `period_01.txt`).
    """
    files = _numbered(folder)
    numbers = [number for number, _ in files]
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise DataError(
            str(folder),
            expected=f"each of period_{numbers[0]}.txt to period_{numbers[-1]}.txt once",
            found=", ".join(path.name for _, path in files),
            fix="The numbers are the time: put the missing file back, or rename the files.",
        )
    return _parts(files, quarantine), None, None


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    if not folder.is_dir():
        return []
    matched = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in matched if match)


def _parts(files: list[tuple[int, Path]], quarantine: Quarantine) -> Iterator[Sheet]:
    for number, path in files:
        lines, separator = _measure(path)
        for part in delimited_parts(path, quarantine, separator=separator, header=("user", "item"), quotes=False):
            since = part.lines.cast(pl.Int64) * WEEK_US // (lines + 1)
            moment = (START_US + number * WEEK_US + since).cast(pl.Datetime("us")).alias("timestamp")
            columns = part.columns.with_columns(moment, type=pl.lit("click"))
            yield Sheet(part.file, columns, part.lines, part.text)


def _measure(path: Path) -> tuple[int, str]:
    """How many lines, and what stands between session and item."""
    with path.open("rb") as file:
        separator = "\t" if b"\t" in file.readline() else " "
        file.seek(0)
        return 1 + sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")), separator
