"""Delimited text -> rows with their line numbers; rows that do not fit the header go to quarantine.

Text without quotes is split column-wise by polars, some 16 MiB at once; a file with quotes is held whole and read record
by record (RFC 4180). Both give the same rows. It does not know what the columns mean.
"""

import codecs
import csv
import io
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from ratoon.data.quarantine import Quarantine, Sheet, fault, first_fault
from ratoon.domain.errors import DataError

FIELDS = "wrong number of fields"
QUOTES = "broken quotes"
ENCODING = "bytes that are not UTF-8"

PART = 1 << 24
"""Bytes of text read at once; a part ends at a line's end."""


def read_delimited(
    path: Path,
    quarantine: Quarantine,
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
    quotes: bool = True,
    encoding: str = "utf-8",
) -> Sheet:
    """All rows of `delimited_parts` as one sheet; raises as it does."""
    parts = list(delimited_parts(path, quarantine, separator=separator, header=header, quotes=quotes, encoding=encoding))
    columns, lines = pl.concat([part.columns for part in parts]), pl.concat([part.lines for part in parts])
    return Sheet(path.name, columns, lines, pl.concat([part.written() for part in parts]))


def delimited_parts(
    path: Path,
    quarantine: Quarantine,
    *,
    separator: str = ",",
    header: Sequence[str] | None = None,
    quotes: bool = True,
    encoding: str = "utf-8",
) -> Iterator[Sheet]:
    """Read a text file of n rows part by part, in order; blank lines are no rows.

    Args:
        path: the file; a UTF-8 byte order mark and any line ending will do.
        quarantine: takes the rows with broken quotes, too few or too many fields, or undecodable bytes.
        separator: what stands between fields; one character if fields may be quoted.
        header: the column names if the file has no header line of its own.
        quotes: a field may be quoted; else a quote is a character like any other.
        encoding: of the file.

    Yields:
        the good rows of at least one part, every column text, an empty field null.

    Raises:
        DataError: the file is empty, is UTF-16, or a name stands twice in its header.
    """
    before, quoted = 0, quotes and _mentions_quotes(path)
    for text, damaged in _texts(path, encoding, whole=quoted):
        rows = _quoted(text, separator) if quoted else _plain(text, separator)
        rows = rows.with_columns(pl.col("line") + before)
        before += text.count("\n")
        if header is None:
            if rows.is_empty():
                continue
            header, rows = rows["fields"][0].to_list(), rows.slice(1)
        _unique(path.name, header)
        yield _sheet(path.name, header, rows, damaged, quarantine)
    if header is None:
        raise DataError(path.name, expected="a header line", found="an empty file", fix="Write the file again.")


def _sheet(file: str, header: Sequence[str], rows: pl.DataFrame, damaged: bool, quarantine: Quarantine) -> Sheet:
    reasons = first_fault(
        fault(rows["broken"], QUOTES),
        fault(rows["row"].str.contains("\ufffd", literal=True) & damaged, ENCODING),
        fault(rows["fields"].list.len() != len(header), FIELDS),
    )
    sheet = Sheet(file, rows.select("fields"), rows["line"], rows["row"])
    sheet = sheet.where(quarantine.sift(sheet, reasons))
    fields = pl.col("fields")
    columns = [fields.list.get(at, null_on_oob=True).replace("", None).alias(name) for at, name in enumerate(header)]
    return Sheet(sheet.file, sheet.columns.select(columns), sheet.lines, sheet.text)


def _mentions_quotes(path: Path) -> bool:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b'"') >= 0


def _texts(path: Path, encoding: str, whole: bool) -> Iterator[tuple[str, bool]]:
    """At least one text, with one newline between lines; and whether bytes had to be replaced (U+FFFD stands for them)."""
    for number, block in enumerate(_blocks(path, -1 if whole else PART)):
        content = block
        if number == 0:
            if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise DataError(path.name, expected="UTF-8 text", found="UTF-16 text", fix="Save the file as CSV UTF-8.")
            content = content.removeprefix(codecs.BOM_UTF8)
        try:
            text, damaged = content.decode(encoding), False
        except UnicodeDecodeError:
            text, damaged = content.decode(encoding, errors="replace"), True
        yield (text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text), damaged


def _blocks(path: Path, size: int) -> Iterator[bytes]:
    """The file's bytes in blocks that end at a newline; one empty block if there are none."""
    with path.open("rb") as file:
        rest = b""
        while block := file.read(size):
            cut = block.rfind(b"\n") + 1
            if cut:
                yield rest + block[:cut]
            rest = block[cut:] if cut else rest + block
        if rest or not file.tell():
            yield rest


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
