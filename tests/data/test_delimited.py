"""Delimited text: both readers give the same rows, and lines that do not fit are named, wherever they stand."""

import csv
import io
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.data import delimited
from ratoon.data.delimited import ENCODING, FIELDS, QUOTES, read_delimited
from ratoon.data.quarantine import Quarantine
from ratoon.domain.errors import DataError

Rows = list[tuple[int, dict[str, str | None]]]
Aside = list[tuple[int, str, str]]


def read(path: Path, content: str | bytes, **how: object) -> tuple[Rows, Aside]:
    file, aside = path / "a.csv", Quarantine()
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    sheet = read_delimited(file, aside, **how)  # type: ignore[arg-type]  # one place for all the keywords under test
    aside.write(path / "q.csv")
    bad = pl.read_csv(path / "q.csv", infer_schema=False) if (path / "q.csv").exists() else pl.DataFrame()
    rows = zip(sheet.lines.to_list(), sheet.columns.to_dicts(), strict=True)
    return list(rows), [(int(row["line"]), row["reason"], row["row"]) for row in bad.to_dicts()]


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Line 1 is the header; blank lines are no rows but count as lines; the last line needs no ending."""
    rows, aside = read(tmp_path, "a,b\n1,2\n\n  \n3,")
    assert rows == [(2, {"a": "1", "b": "2"}), (5, {"a": "3", "b": None})]
    assert aside == []


@pytest.mark.parametrize("quoted", ["", '"x",y\n'])
def test_byte_order_mark_and_line_endings_leave_no_trace(tmp_path: Path, quoted: str) -> None:
    """A BOM and CRLF, CR or LF endings give the same rows, with or without quotes in the file."""
    plain = f"a,b\n1,é\n{quoted}3,4\n"
    expected = read(tmp_path, plain)
    for ending in ("\r\n", "\r"):
        assert read(tmp_path, "\ufeff" + plain.replace("\n", ending)) == expected
    assert expected[0][0] == (2, {"a": "1", "b": "é"})


@pytest.mark.parametrize("quoted", ["", '"x",y\n'])
def test_rows_with_too_few_or_too_many_fields_are_put_aside(tmp_path: Path, quoted: str) -> None:
    """A row that does not have the header's number of fields is put aside as it is, and the others stay."""
    rows, aside = read(tmp_path, f"a,b\n1\n1,2\n1,2,3\n{quoted}")
    assert rows[0] == (3, {"a": "1", "b": "2"})
    assert aside == [(2, FIELDS, "1"), (4, FIELDS, "1,2,3")]


def test_quotes_hold_commas_quotes_and_line_ends(tmp_path: Path) -> None:
    """RFC 4180: quoted separators, doubled quotes and line ends are part of the field; the line is where it starts."""
    rows, aside = read(tmp_path, 'a,b\n"1,5","say ""hi"""\n"two\nlines",x\nlast,"y"\n')
    assert rows == [
        (2, {"a": "1,5", "b": 'say "hi"'}),
        (3, {"a": "two\nlines", "b": "x"}),
        (5, {"a": "last", "b": "y"}),
    ]
    assert aside == []


def test_a_quote_never_closed_costs_one_row(tmp_path: Path) -> None:
    """An open quote puts aside the line where it stands; rows after it, quoted or not, are read."""
    rows, aside = read(tmp_path, 'a,b\n1,"open\n2,x\n3,"y, z"\n4,w\n"5,v\n6,u\n')
    assert [line for line, _ in rows] == [3, 4, 5, 7]
    assert rows[1] == (4, {"a": "3", "b": "y, z"})
    assert aside == [(2, QUOTES, '1,"open'), (6, QUOTES, '"5,v')]


def test_text_after_a_closing_quote_is_broken(tmp_path: Path) -> None:
    """A field that goes on behind its closing quote is put aside, not glued together."""
    assert read(tmp_path, 'a,b\n1,"x"y\n2,z\n') == ([(3, {"a": "2", "b": "z"})], [(2, QUOTES, '1,"x"y')])


def test_lines_that_only_look_like_one_record_are_told_apart(tmp_path: Path) -> None:
    """A record over two lines with too many fields is two bad lines, each under its own number."""
    rows, aside = read(tmp_path, 'a,b\n"1\n2",x,y\n3,z\n')
    assert rows == [(4, {"a": "3", "b": "z"})]
    assert aside == [(2, QUOTES, '"1'), (3, FIELDS, '2",x,y')]


def test_private_characters_in_the_text_do_no_harm(tmp_path: Path) -> None:
    """Characters of the private-use area stay part of their field."""
    assert read(tmp_path, 'a,b\n"1","\ue000\ue001"\n')[0] == [(2, {"a": "1", "b": "\ue000\ue001"})]


def test_a_very_long_open_field_costs_one_row(tmp_path: Path) -> None:
    """A file whose remainder is one open field, longer than the csv module allows, loses one row and does not fail."""
    rows, aside = read(tmp_path, 'a,b\n1,"open\n' + "2,x\n" * 50_000)
    assert len(rows) == 50_000
    assert aside == [(2, QUOTES, '1,"open')]


def test_quotes_may_be_ordinary_characters(tmp_path: Path) -> None:
    """Without quoting, a quote is a character like any other."""
    rows, aside = read(tmp_path, 'a\tb\n"x\t5" disc\n', separator="\t", quotes=False)
    assert rows == [(2, {"a": '"x', "b": '5" disc'})]
    assert aside == []


def test_a_file_without_header_starts_at_line_one(tmp_path: Path) -> None:
    """With column names given, the first line is a row; Latin-1 is decoded as asked; an empty file has no rows."""
    rows, _ = read(tmp_path, "1|\xe9".encode("latin-1"), separator="|", header=("a", "b"), encoding="latin-1")
    assert rows == [(1, {"a": "1", "b": "é"})]
    assert read(tmp_path, "", header=("a", "b")) == ([], [])


def test_bytes_that_are_not_utf8_cost_their_row(tmp_path: Path) -> None:
    """A row with undecodable bytes is put aside; in sound UTF-8 the replacement character itself is allowed."""
    rows, aside = read(tmp_path, b"a,b\n1,\xe9\n2,ok\n")
    assert rows == [(3, {"a": "2", "b": "ok"})]
    assert aside == [(2, ENCODING, "1,\ufffd")]
    assert read(tmp_path, "a,b\n1,\ufffd\n") == ([(2, {"a": "1", "b": "\ufffd"})], [])


def test_header_only_is_no_rows(tmp_path: Path) -> None:
    """A header without rows gives the columns and no row."""
    assert read(tmp_path, "a,b\n") == ([], [])


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    """A file without even a header is a data error that names it."""
    with pytest.raises(DataError, match=r"a\.csv: expected a header line, found an empty file"):
        read(tmp_path, content)


def test_utf16_is_named(tmp_path: Path) -> None:
    """UTF-16, as spreadsheets save it, is recognised and the way out named."""
    with pytest.raises(DataError, match=r"a\.csv: expected UTF-8 text, found UTF-16 text\. Save the file as CSV UTF-8"):
        read(tmp_path, "a,b\n".encode("utf-16"))


def test_a_column_name_may_stand_once(tmp_path: Path) -> None:
    """Two columns of one name are an error that names them."""
    with pytest.raises(DataError, match=r"a\.csv: expected every column name once, found 'b' more than once in 'b', 'a', 'b'"):
        read(tmp_path, "b,a,b\n1,2,3\n")


@given(st.text(alphabet=st.sampled_from('ab,\n\t" é'), max_size=40).filter(lambda text: '"' not in text))
def test_both_readers_agree_on_text_without_quotes(text: str) -> None:
    """The column-wise reader gives exactly the lines, rows and fields of the record-wise one."""
    fast, slow = delimited._plain(text, ","), delimited._quoted(text, ",")
    assert fast.to_dicts() == slow.to_dicts()


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_parts_add_up_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    """Read a few bytes at a time, a file gives the rows, line numbers and rejects that it gives at once."""
    content = ending.join(["a,b", "1,é", "", "short", "3,4", "5,6,7", "8,", "last,ß"])
    whole = read(tmp_path, content)
    monkeypatch.setattr(delimited, "PART", 5)
    assert read(tmp_path, content) == whole
    assert len(list(delimited.delimited_parts(tmp_path / "a.csv", Quarantine()))) > 3 or ending == "\r"
    assert [line for line, _ in whole[0]] == [2, 5, 7, 8]


cell = st.text(alphabet=st.sampled_from('ab ,"\n|éß'), min_size=1, max_size=6).filter(lambda value: value.strip() != "")


@given(st.lists(st.tuples(cell, cell), max_size=8))
def test_what_the_csv_module_writes_is_read_back(rows: list[tuple[str, str]]) -> None:
    """Any cells written by Python's csv module come back, none put aside."""
    written = io.StringIO()
    csv.writer(written).writerows([("a", "b"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        found, aside = read(Path(folder), written.getvalue())
    assert [tuple(row.values()) for _, row in found] == rows
    assert aside == []
