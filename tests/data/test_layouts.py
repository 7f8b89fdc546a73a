"""Importing a folder: the layout is recognised by names, every row is accounted for, and reading is repeatable."""

import dataclasses
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from ratoon.data import Import, films, periods, read, stream
from ratoon.data.movielens import CLASSIC, RECBOLE
from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA

LOG = "user,item,timestamp,type,value\nu,a,2024-01-01T00:00:05Z,click,2\nv,a,1704067203,,\nv,b,2024-01-01 00:00:09,buy,9.5\n"


def folder(at: Path, **files: str) -> Path:
    at.mkdir(exist_ok=True)
    for name, content in files.items():
        (at / f"{name}.csv").write_text(content)
    return at


def imported(at: Path, **files: str) -> Import:
    return read(folder(at / "my data", **files), at / "aside" / "q.csv")


def test_a_generic_folder_becomes_events(tmp_path: Path) -> None:
    """Interactions, items and users of a folder with a space in its name arrive as typed events in order of time."""
    found = imported(tmp_path, interactions=LOG, items="item,title,genres\na,Alpha,x|y\n", users="user,age\nv,30\n")
    assert found.events.schema.equals(EVENT_SCHEMA)
    rows = found.events.to_pylist()
    assert [(row["event_id"], row["event_timestamp"].second) for row in rows] == [
        ("item:a", 2),
        ("user:v", 2),
        ("i:v:a:1704067203000000", 3),
        ("i:u:a:1704067205000000", 5),
        ("i:v:b:1704067209000000", 9),
    ]
    assert rows[0]["event_timestamp"] == datetime(2024, 1, 1, 0, 0, 2, tzinfo=UTC)
    assert json.loads(rows[0]["features"]) == {"title": "Alpha", "genres": ["x", "y"]}
    assert json.loads(rows[1]["features"]) == {"age": 30}
    assert [(row["kind"], row["type"], row["value"]) for row in rows[2:]] == [
        ("interaction", "rating", None),
        ("interaction", "click", 2.0),
        ("interaction", "buy", 9.5),
    ]
    assert (found.rejected, dict(found.reasons)) == (0, {})


def test_every_row_is_in_the_events_or_in_quarantine(tmp_path: Path) -> None:
    """Good and rejected rows add up to the rows there are; the file tells line, reason and row for each rejected one."""
    log = LOG + "u,b\n,b,5\nu,b,later,,\nu,b,1704067210,,\nu,b,5,,inf\n,b,5,,\n"
    found = imported(tmp_path, interactions=log, items="item,n\na,1\na,2\n,3\n")
    put_aside = pl.read_csv(tmp_path / "aside" / "q.csv", infer_schema=False)
    assert put_aside.rows() == [
        ("interactions.csv", "5", "wrong number of fields", "u,b"),
        ("interactions.csv", "6", "wrong number of fields", ",b,5"),
        ("interactions.csv", "7", "missing or unreadable timestamp", "u,b,later,,"),
        ("interactions.csv", "9", "value is not finite", "u,b,5,,inf"),
        ("interactions.csv", "10", "missing user id", ",b,5,,"),
        ("items.csv", "3", "duplicate item", "a,2"),
        ("items.csv", "4", "missing item id", ",3"),
    ]
    assert found.rejected == 7
    assert sum(found.reasons.values()) == 7
    assert found.reasons["wrong number of fields"] == 2
    assert found.events.num_rows == 4 + 1


def test_a_sound_import_removes_a_stale_quarantine(tmp_path: Path) -> None:
    """After an import without bad rows the quarantine file of the one before is gone."""
    assert imported(tmp_path, interactions=LOG + "u\n").rejected == 1
    assert (tmp_path / "aside" / "q.csv").exists()
    assert imported(tmp_path, interactions=LOG).rejected == 0
    assert not (tmp_path / "aside" / "q.csv").exists()


def test_reading_again_gives_the_same_events(tmp_path: Path) -> None:
    """The same folder, its rows in another order, and the same rows as Parquet give equal tables."""
    rows = LOG.splitlines(keepends=True)
    first = imported(tmp_path, interactions=LOG).events
    shuffled = rows[1:]
    random.Random(3).shuffle(shuffled)
    assert imported(tmp_path, interactions=rows[0] + "".join(shuffled)).events.equals(first)
    other = tmp_path / "parquet"
    other.mkdir()
    pl.read_csv(tmp_path / "my data" / "interactions.csv").write_parquet(other / "interactions.parquet")
    assert read(other, tmp_path / "q.csv").events.equals(first)


def test_equal_rows_are_all_kept(tmp_path: Path) -> None:
    """The same interaction three times is three events with three ids."""
    found = imported(tmp_path, interactions="user,item,timestamp\n" + "u,a,5\n" * 3)
    assert found.events["event_id"].to_pylist() == ["i:u:a:5000000", "i:u:a:5000000:2", "i:u:a:5000000:3"]


def test_parquet_rejects_are_json_rows(tmp_path: Path) -> None:
    """A bad row of a Parquet file is quarantined under its row number as JSON."""
    pl.DataFrame({"user": ["u", None], "item": [1, 2], "timestamp": [5, 6]}).write_parquet(tmp_path / "interactions.parquet")
    found = read(tmp_path, tmp_path / "q.csv")
    assert dict(found.reasons) == {"missing user id": 1}
    assert pl.read_csv(tmp_path / "q.csv").rows() == [
        ("interactions.parquet", 2, "missing user id", '{"user": null, "item": 2, "timestamp": 6}')
    ]


def test_an_import_cannot_be_changed(tmp_path: Path) -> None:
    """An import and its reasons are frozen."""
    found = imported(tmp_path, interactions=LOG)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.rejected = 1  # type: ignore[misc]  # the point of the test
    with pytest.raises(TypeError, match="does not support item assignment"):
        found.reasons["x"] = 1  # type: ignore[index]  # the point of the test


def test_an_unknown_folder_lists_what_was_looked_for_and_found(tmp_path: Path) -> None:
    """The error names every layout's files and what the folder holds, cut after twenty names."""
    for number in range(22):
        (tmp_path / f"f{number:02}.txt").touch()
    with pytest.raises(DataError) as wrong:
        read(tmp_path, tmp_path / "q.csv")
    message = str(wrong.value)
    for name in (
        *RECBOLE,
        *CLASSIC,
        *films.CSV,
        *films.DAT,
        periods.NAMES,
        "interactions.parquet|csv",
        "f00.txt",
        "f19.txt and 2 more",
    ):
        assert name in message


def test_an_incomplete_layout_is_not_a_layout(tmp_path: Path) -> None:
    """u.data without u.item and u.user is refused, and the error shows which one is there."""
    (tmp_path / "u.data").write_text("1\t1\t1\t5\n")
    with pytest.raises(DataError, match=r"u\.data \+ u\.item \+ u\.user.*found u\.data\. "):
        read(tmp_path, tmp_path / "q.csv")


@pytest.mark.parametrize(("make", "found"), [(True, "found an empty folder"), (False, "found no folder")])
def test_no_files_are_told_from_no_folder(tmp_path: Path, make: bool, found: str) -> None:
    """An empty folder and a folder that does not exist are told apart."""
    if make:
        (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match=found):
        read(tmp_path / "x", tmp_path / "q.csv")


def test_two_layouts_in_one_folder_are_an_error(tmp_path: Path) -> None:
    """With the files of two layouts in one folder, neither is guessed."""
    for name in CLASSIC:
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"found u\.data \+ u\.item \+ u\.user and interactions\.parquet\|csv"):
        read(folder(tmp_path, interactions=LOG), tmp_path / "q.csv")


def test_no_good_interaction_is_an_error_that_keeps_the_rejects(tmp_path: Path) -> None:
    """If every row is bad the error counts the reasons, and the quarantine file is written all the same."""
    with pytest.raises(DataError, match=r"interactions\.csv: .*found none \(2 x missing item id\)\. The rejected rows are in"):
        imported(tmp_path, interactions="user,item,timestamp\nu,,5\nu,,6\n")
    assert pl.read_csv(tmp_path / "aside" / "q.csv").height == 2


def test_a_header_without_rows_is_an_error(tmp_path: Path) -> None:
    """A header alone has no interaction; items may be empty."""
    with pytest.raises(DataError, match=r"interactions\.csv: expected at least one good interaction, found no rows"):
        imported(tmp_path, interactions="user,item,timestamp\n")
    assert imported(tmp_path, interactions=LOG, items="item,title\n").events.num_rows == 3


def test_a_wrong_column_is_named_with_its_file(tmp_path: Path) -> None:
    """Mixed-case names and another separator are errors with file, column and the way out."""
    with pytest.raises(DataError, match=r"interactions\.csv column 'user': .*Rename 'User' to 'user'"):
        imported(tmp_path, interactions=LOG.replace("user", "User"))
    with pytest.raises(DataError, match=r"interactions\.csv column 'user': .*separated by semicolons"):
        imported(tmp_path, interactions=LOG.replace(",", ";"))
    with pytest.raises(DataError, match=r"items\.csv column 'item': expected a column named 'item', found columns 'id', 'title'"):
        imported(tmp_path, interactions=LOG, items="id,title\na,A\n")


def test_batches_are_the_whole_in_order(tmp_path: Path) -> None:
    """In small batches, with items and users that come before, between and after, the events are those read at once."""
    draw = random.Random(5)
    log = "user,item,timestamp\n" + "".join(
        f"u{draw.randrange(9)},i{draw.randrange(9)},{draw.randrange(60)}\n" for _ in range(500)
    )
    items = "item,timestamp,n\n" + "".join(f"i{n},{n * 9},1\n" for n in range(12))
    at = folder(tmp_path / "w", interactions=log, items=items, users="user,n\nu1,1\nnever,2\n")
    told: list[int] = []
    with stream(at, tmp_path / "q.csv", told.append, batch=20) as found:
        batches = list(found.batches)
        rows = found.rows
    whole = read(at, tmp_path / "q.csv").events
    assert told == [500]
    assert len(batches) > 1
    assert rows == whole.num_rows == 500 + 12 + 2
    assert pa.concat_tables(batches).combine_chunks().equals(whole)
    assert whole["event_timestamp"].to_pylist() == sorted(whole["event_timestamp"].to_pylist())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w"]
