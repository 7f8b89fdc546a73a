"""The quarantine: every row put aside is found again with file, line and reason."""

import csv
from pathlib import Path

import polars as pl

from ratoon.data.quarantine import Quarantine, Sheet, fault, first_fault


def sheet(file: str, *rows: str) -> Sheet:
    lines = pl.Series(range(2, len(rows) + 2), dtype=pl.Int64)
    return Sheet(file, pl.DataFrame({"a": list(rows)}, schema={"a": pl.String}), lines, pl.Series(list(rows), dtype=pl.String))


def reasons(*given: str | None) -> pl.Series:
    return pl.Series(list(given), dtype=pl.String)


def test_rows_with_a_reason_leave_and_are_written(tmp_path: Path) -> None:
    """Rows with a reason are masked out and stand in the file by name and line; the sound ones do not."""
    aside = Quarantine()
    assert aside.sift(sheet("b.csv", "x", 'y, "q"', "z"), reasons(None, "odd", "even")).to_list() == [True, False, False]
    assert aside.sift(sheet("a.csv", "w"), reasons("odd")).to_list() == [False]
    assert aside.write(tmp_path / "new" / "q.csv") == 3
    with (tmp_path / "new" / "q.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "line", "reason", "row"],
            ["a.csv", "2", "odd", "w"],
            ["b.csv", "3", "odd", 'y, "q"'],
            ["b.csv", "4", "even", "z"],
        ]
    assert aside.reasons == {"even": 1, "odd": 2}


def test_nothing_put_aside_leaves_no_file(tmp_path: Path) -> None:
    """Without bad rows there is no file, and a stale one is removed."""
    path = tmp_path / "q.csv"
    path.write_text("from the last import")
    aside = Quarantine()
    assert aside.sift(sheet("a.csv", "x"), reasons(None)).all()
    assert aside.write(path) == 0
    assert aside.write(path) == 0
    assert not path.exists()
    assert aside.reasons == {}


def test_more_rows_than_are_held_are_all_written(tmp_path: Path) -> None:
    """Past the number held in memory nothing changes: one header, every row once, every reason counted."""
    few, many = Quarantine(held=3), Quarantine()
    for aside in (few, many):
        for number in range(5):
            aside.sift(sheet(f"{number}.csv", "x", "y"), reasons("odd", "even"))
    assert few.write(tmp_path / "few" / "q.csv") == many.write(tmp_path / "q.csv") == 10
    assert (tmp_path / "few" / "q.csv").read_text() == (tmp_path / "q.csv").read_text()
    assert few.reasons == many.reasons == {"even": 5, "odd": 5}
    few.close()


def test_rows_without_text_are_written_as_json(tmp_path: Path) -> None:
    """A row of a file that is not text is kept as a JSON object of its columns."""
    rows = Sheet("a.parquet", pl.DataFrame({"item": ["é"], "tags": [["x"]]}), pl.Series([1]), None)
    aside = Quarantine()
    aside.sift(rows, reasons("odd"))
    aside.write(tmp_path / "q.csv")
    assert pl.read_csv(tmp_path / "q.csv")["row"].to_list() == ['{"item": "é", "tags": ["x"]}']


def test_the_first_reason_wins() -> None:
    """A row with several faults is put aside for the first one given; a null mask is no fault."""
    first = fault(pl.Series([True, False, None], dtype=pl.Boolean), "first")
    second = fault(pl.Series([True, True, False]), "second")
    assert first_fault(first, second).to_list() == ["first", "second", None]
    assert first_fault(fault(pl.Series([], dtype=pl.Boolean), "x")).to_list() == []
