"""The generic layout: Parquet and CSV alike, features typed, odd files named."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

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
    interactions, items, users = tables(tmp_path, Quarantine())
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
    with pytest.raises(DataError, match=r"expected interactions\.parquet or interactions\.csv, found neither"):
        tables(tmp_path, Quarantine())


def test_a_broken_parquet_file_is_named(tmp_path: Path) -> None:
    """A file that only bears the name of Parquet is an error with its name."""
    (tmp_path / "interactions.parquet").write_text(LOG)
    with pytest.raises(DataError, match=r"interactions\.parquet: expected a Parquet file, found parquet: "):
        tables(tmp_path, Quarantine())
