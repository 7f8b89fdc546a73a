"""The generic layout: Parquet and CSV alike, features typed, odd files named."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from ratoon.data import generic
from ratoon.data.generic import tables
from ratoon.data.quarantine import Quarantine
from ratoon.domain.errors import DataError

LOG = "user,item,timestamp\nu,a,5\n"


def test_csv_features_get_types(tmp_path: Path) -> None:
    """Features of a CSV file become numbers and lists; id and timestamp stay text for those who check them."""
    (tmp_path / "interactions.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text("item,timestamp,price,tags\n1,5,0.5,x|y\n")
    (tmp_path / "users.csv").write_text("user,age\n7,30\n")
    _, items, users = tables(tmp_path, Quarantine())
    assert items is not None
    assert users is not None
    assert items.columns.to_dicts() == [{"item": "1", "timestamp": "5", "price": 0.5, "tags": ["x", "y"]}]
    assert users.columns.to_dicts() == [{"user": "7", "age": 30}]


def test_parquet_is_taken_as_it_is(tmp_path: Path) -> None:
    """Parquet keeps its types, and its rows are counted from 1; items and users may be missing."""
    frame = pl.DataFrame({"user": [1, 2], "item": ["a", "b"], "timestamp": [datetime(2024, 1, 1)] * 2})
    frame.write_parquet(tmp_path / "interactions.parquet")
    parts, items, users = tables(tmp_path, Quarantine())
    (interactions,) = parts
    assert interactions.columns.equals(frame)
    assert interactions.lines.to_list() == [1, 2]
    assert (interactions.file, interactions.text, items, users) == ("interactions.parquet", None, None, None)


def test_one_table_in_two_formats_is_an_error(tmp_path: Path) -> None:
    """Which of two files to believe is not guessed."""
    (tmp_path / "interactions.csv").write_text(LOG)
    (tmp_path / "items.csv").write_text("item\na\n")
    (tmp_path / "items.parquet").write_text("")
    with pytest.raises(DataError, match=r"expected one file of items, found items\.parquet and items\.csv"):
        tables(tmp_path, Quarantine())


def test_no_interactions_is_an_error(tmp_path: Path) -> None:
    """Items alone are not a layout."""
    (tmp_path / "items.csv").write_text("item\na\n")
    with pytest.raises(DataError, match=r"expected interactions\.parquet|csv or interactions/\*\.parquet, found none of them"):
        tables(tmp_path, Quarantine())


def test_a_broken_parquet_file_is_named(tmp_path: Path) -> None:
    """A file that only bears the name of Parquet is an error with its name."""
    (tmp_path / "interactions.parquet").write_text(LOG)
    with pytest.raises(DataError, match=r"interactions\.parquet: expected a Parquet file, found parquet: "):
        list(tables(tmp_path, Quarantine())[0])


def test_interactions_may_lie_in_parts(tmp_path: Path) -> None:
    """The Parquet files of a folder `interactions` are read in order of their names; beside another form they are refused."""
    (tmp_path / "interactions").mkdir()
    for name, user in (("b", "v"), ("a", "u")):
        pl.DataFrame({"user": [user], "item": ["i"], "timestamp": [5]}).write_parquet(
            tmp_path / "interactions" / f"{name}.parquet"
        )
    parts, _, _ = tables(tmp_path, Quarantine())
    assert [(part.file, part.columns["user"].to_list()) for part in parts] == [
        ("interactions/a.parquet", ["u"]),
        ("interactions/b.parquet", ["v"]),
    ]
    (tmp_path / "interactions.csv").write_text(LOG)
    with pytest.raises(DataError, match=r"one file of interactions, found interactions\.csv and 2 files in interactions/"):
        tables(tmp_path, Quarantine())


def test_a_large_parquet_file_is_read_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows keep their numbers over the slices, and a file without rows still shows its columns."""
    monkeypatch.setattr(generic, "PART", 2)
    frame = pl.DataFrame({"user": list("abcde"), "item": list("vwxyz"), "timestamp": range(5)})
    frame.write_parquet(tmp_path / "interactions.parquet")
    parts = list(tables(tmp_path, Quarantine())[0])
    assert [part.lines.to_list() for part in parts] == [[1, 2], [3, 4], [5]]
    assert pl.concat([part.columns for part in parts]).equals(frame)
    frame.clear().write_parquet(tmp_path / "interactions.parquet")
    assert [part.columns.columns for part in tables(tmp_path, Quarantine())[0]] == [frame.columns]
