"""Delimited text -> rows with their line numbers; rows that do not fit the header go to quarantine.

Text without quotes is split column-wise by polars; text with quotes is read record by record (RFC 4180). Both give the
same rows. It does not know what the columns mean.
"""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from ratoon.data.quarantine import Quarantine, Sheet, fault, first_fault
from ratoon.domain.errors import DataError

FIELDS = "wrong number of fields"
QUOTES = "broken quotes"
ENCODING = "bytes that are not UTF-8"


def read_delimited(
    path: Path,
    quarantine: Quarantine,
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
    quotes: bool = True,
    encoding: str = "utf-8",
) -> Sheet:
    """Read a text file of n rows; blank lines are no rows.

    Args:
        path: the file; a UTF-8 byte order mark and any line ending will do.
        quarantine: takes the rows with broken quotes, too few or too many fields, or undecodable bytes.
        separator: one character between fields.
        header: the column names if the file has no header line of its own.
        quotes: a field may be quoted; else a quote is a character like any other.
        encoding: of the file.

    Returns:
        the good rows, every column text, an empty field null.

    Raises:
        DataError: the file is empty, is UTF-16, or a name stands twice in its header.
    """
    text, damaged = _decode(path, encoding)
    rows = _quoted(text, separator) if quotes and '"' in text else _plain(text, separator)
    if header is None:
        if rows.is_empty():
            raise DataError(path.name, expected="a header line", found="an empty file", fix="Write the file again.")
        header, rows = rows["fields"][0].to_list(), rows.slice(1)
    _unique(path.name, header)
    wrong = rows["fields"].list.len() != len(header)
    reasons = first_fault(
        fault(rows["broken"], QUOTES),
        fault(rows["row"].str.contains("\ufffd", literal=True) & damaged, ENCODING),
        fault(wrong, FIELDS),
    )
    sheet = Sheet(path.name, rows.select("fields"), rows["line"], rows["row"])
    sheet = sheet.where(quarantine.sift(sheet, reasons))
    fields = pl.col("fields")
    columns = [fields.list.get(at, null_on_oob=True).replace("", None).alias(name) for at, name in enumerate(header)]
    return Sheet(sheet.file, sheet.columns.select(columns), sheet.lines, sheet.text)


def _decode(path: Path, encoding: str) -> tuple[str, bool]:
    """The text with one newline between lines; and whether bytes had to be replaced (U+FFFD stands for them)."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(path.name, expected="UTF-8 text", found="UTF-16 text", fix="Save the file as CSV UTF-8.")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text, damaged = content.decode(encoding), False
    except UnicodeDecodeError:
        text, damaged = content.decode(encoding, errors="replace"), True
    return (text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text), damaged


def _unique(file: str, header: Sequence[str]) -> None:
    twice = [name for at, name in enumerate(header) if name in header[:at]]
    if twice:
        raise DataError(
            file,
            expected="every column name once",
            found=f"{twice[0]!r} more than once in {', '.join(map(repr, header))}",
            fix="Rename or remove one of these columns.",
        )


def _plain(text: str, separator: str) -> pl.DataFrame:
    lines = pl.DataFrame({"row": [text]}, schema={"row": pl.String}).select(pl.col("row").str.split("\n").explode())
    return (
        lines.with_row_index("line", offset=1)
        .filter(pl.col("row").str.strip_chars() != "")
        .select(pl.col("line").cast(pl.Int64), "row", fields=pl.col("row").str.split(separator), broken=pl.lit(False))
    )


def _quoted(text: str, separator: str) -> pl.DataFrame:
    # A list of strings per row is slow to hand over; one string, joined by a character the text has not, is fast.
    mark = next(character for character in map(chr, range(0xE000, 0xF900)) if character not in text)
    found = list(_records(list(io.StringIO(text)), separator, mark))
    schema = {"line": pl.Int64, "row": pl.String, "joined": pl.String, "broken": pl.Boolean}
    parts = {name: [record[at] for record in found] for at, name in enumerate(schema)}
    columns = [pl.Series(name, parts[name], dtype=dtype) for name, dtype in schema.items()]
    row, fields = pl.col("row").str.strip_suffix("\n"), pl.col("joined").str.split(mark)
    return pl.DataFrame(columns).select("line", row, fields.alias("fields"), "broken")


def _records(lines: list[str], separator: str, mark: str) -> Iterator[tuple[int, str, str, bool]]:
    """(line, text, fields joined by `mark`, broken) per record of `lines`, which end in a newline.

    A record that breaks the quoting rules costs only the line where it starts: reading goes on at the next one, so that
    one quote never closed does not swallow the rest of the file.
    """
    start, width = 0, None
    while start < len(lines):
        reader = csv.reader(map(lines.__getitem__, range(start, len(lines))), delimiter=separator, strict=True)
        begun = start
        try:
            for fields in reader:
                end = begun + reader.line_num
                if end - start > 1 and len(fields) != width:
                    raise csv.Error("a record over several lines that does not fit the header")
                if end - start > 1 or lines[start].strip():
                    width = width or len(fields)
                    yield start + 1, "".join(lines[start:end]), mark.join(fields), False
                start = end
        except csv.Error:
            yield start + 1, lines[start], "", True
            start += 1
