"""Rows as they stand in a file, and the place where the unusable ones go, each with its line and the reason.

It does not know what makes a row unusable: `columns`, `timestamps`, `features` and `delimited` do.
"""

import json
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import polars as pl

from ratoon import durable

_ROWS = pl.DataFrame(schema={"file": pl.String, "line": pl.Int64, "reason": pl.String, "row": pl.String})


@dataclass(frozen=True, slots=True)
class Sheet:
    """The n rows of one file.

    Attributes:
        file: the file's name, as people should see it.
        columns: n rows under the file's own column names; all text if the file is text, with nulls for empty fields.
        lines: (n,) 1-based line of each row, header included; the row number if the file is not text.
        text: (n,) each row as it was written; None if the file is not text.
    """

    file: str
    columns: pl.DataFrame
    lines: pl.Series
    text: pl.Series | None

    def where(self, mask: pl.Series) -> "Sheet":
        """Only the rows where `mask` (n,) is true."""
        text = None if self.text is None else self.text.filter(mask)
        return Sheet(self.file, self.columns.filter(mask), self.lines.filter(mask), text)

    def written(self) -> pl.Series:
        """(n,) text: the rows as they were written; as JSON objects if the file is not text."""
        if self.text is not None:
            return self.text
        rows = (json.dumps(row, default=str, ensure_ascii=False) for row in self.columns.iter_rows(named=True))
        return pl.Series(list(rows), dtype=pl.String)


def first_fault(*faults: pl.Series) -> pl.Series:
    """(n,) text: for each row the first reason not null among the given (n,) columns; null where the row is sound."""
    frame = pl.DataFrame({str(number): fault for number, fault in enumerate(faults)})
    return frame.select(pl.coalesce(pl.all()).cast(pl.String).alias("reason")).to_series()


def fault(mask: pl.Series, reason: str) -> pl.Series:
    """(n,) text: `reason` where `mask` is true, null elsewhere (null masks count as false)."""
    return pl.DataFrame({"mask": mask}).select(pl.when("mask").then(pl.lit(reason)).alias("reason")).to_series()


class Quarantine:
    """Gathers rejected rows while files are read; `write` then leaves them where a person can see them.

    At most `held` rows are kept in memory; more go to a temporary file as they come, which `close` removes.
    """

    def __init__(self, held: int = 200_000) -> None:
        self._held, self._rows, self._counts = held, _ROWS, Counter[str]()
        self._spilled: IO[bytes] | None = None

    def close(self) -> None:
        """Forget the rows."""
        if self._spilled is not None:
            self._spilled.close()

    def sift(self, sheet: Sheet, reasons: pl.Series) -> pl.Series:
        """Put aside every row that has a reason (n,); the (n,) mask of the rows that stay is the answer."""
        sound = reasons.is_null()
        if not sound.all():
            self._add(sheet.where(~sound), reasons.filter(~sound))
        return sound

    def _add(self, bad: Sheet, reasons: pl.Series) -> None:
        part = pl.DataFrame(
            {
                "file": pl.Series([bad.file] * len(reasons), dtype=pl.String),
                "line": bad.lines.cast(pl.Int64),
                "reason": reasons,
                "row": bad.written(),
            }
        )
        self._rows = self._rows.vstack(part)
        self._counts.update(dict(reasons.value_counts().iter_rows()))
        if self._rows.height > self._held:
            self._spill()

    def _spill(self) -> IO[bytes]:
        text = self._csv()
        self._spilled = self._spilled or tempfile.TemporaryFile()  # noqa: SIM115 - lives until `close`
        self._spilled.write(text.encode())
        self._rows = _ROWS
        return self._spilled

    def _csv(self) -> str:
        return self._rows.sort("file", "line", maintain_order=True).write_csv(include_header=self._spilled is None)

    @property
    def reasons(self) -> dict[str, int]:
        """Reason -> number of rows put aside for it, in alphabetical order."""
        return dict(sorted(self._counts.items()))

    def write(self, path: Path) -> int:
        """Leave the rows in the CSV file `path` (file, line, reason, row), in order of file and line.

        With nothing to put aside there is no file, and one from an earlier import is removed. Where there were too many
        to hold, the order is that in which they were read.

        Returns:
            the number of rows.
        """
        count = self._counts.total()
        if not count:
            path.unlink(missing_ok=True)
        elif self._spilled is None:
            durable.write(path, self._csv().encode())
        else:
            rows = self._spill()
            rows.seek(0)
            with durable.writing(path) as file:
                shutil.copyfileobj(rows, file)
        return count
