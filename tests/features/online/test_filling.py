"""Files reach the online store once, whole and newest first in time, whatever order they arrive in and whoever dies."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.features.offline import spec
from ratoon.features.offline.discovery import discover
from ratoon.features.online import filling, sources
from ratoon.features.online.filling import Filled, Goal, fill
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import Layout
from ratoon.features.online.sources import DataFile, Source, files
from ratoon.features.online.sqlite import SqliteRows
from ratoon.features.online.store import RowStore, Wanted, read
from tests.features.worlds import ROOT

LAYOUT = Layout((("n", "INT64"), ("t", "STRING")))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ALL = Goal("all")
Row = tuple[str | None, int, int]
"""User, event time and number; the arrival is the number."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRows]:
    opened = SqliteRows(tmp_path / "online.db", "shop")
    yield opened
    opened.close()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "rows").mkdir()
    return Source("v", LAYOUT, (("user_id", "STRING"),), f"{tmp_path}/rows/*.parquet", "seen", "arrived")


def write(source: Source, name: str, *rows: Row, **columns: Any) -> Path:
    """A file of rows in the source's folder, some columns replaced; None takes one out."""
    table = {
        "user_id": pa.array([user for user, *_ in rows], pa.string()),
        "n": pa.array([number for *_, number in rows], pa.int64()),
        "t": pa.array([f"<{number}>" for *_, number in rows], pa.string()),
        "seen": pa.array([moment for _, moment, _ in rows], pa.int64()).cast(pa.timestamp("us", "UTC")),
        "arrived": pa.array([number for *_, number in rows], pa.int64()).cast(pa.timestamp("us", "UTC")),
    }
    kept = {key: value for key, value in (table | columns).items() if value is not None}
    path = Path(source.path).parent / name
    pq.write_table(pa.table(kept), path, row_group_size=3)
    return path


def online(store: RowStore, *users: str) -> list[object]:
    (found,) = read(store, [Wanted("v", LAYOUT)], text_keys("user_id", users), 0)
    assert found.arrow("t").to_pylist() == [None if n is None else f"<{n}>" for n in found.arrow("n").to_pylist()]
    return list(found.arrow("n").to_pylist())


def test_the_newest_row_of_each_entity_is_online(store: SqliteRows, source: Source) -> None:
    """Of several rows the newest by event time, then by arrival, is served; rows without key or time are nobody's."""
    write(
        source,
        "1",
    )  # a name that the glob does not match
    write(source, "1.parquet", ("a", 5, 1), ("a", 7, 2), ("b", 3, 9), ("b", 3, 4), (None, 9, 9), ("a", 6, 3))
    assert fill(store, source, ALL) == Filled(5, 3, 7)
    assert online(store, "a", "b", "?") == [2, 9, None]


def test_nothing_new_is_nothing_read(store: SqliteRows, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run opens no file; a new file alone is opened."""
    write(source, "1.parquet", ("a", 5, 1))
    fill(store, source, ALL)
    opened: list[str] = []

    def nothing(_source: Source, file: DataFile) -> Iterator[pa.Table]:
        opened.append(file.path)
        yield from ()

    monkeypatch.setattr(filling, "read", nothing)
    assert fill(store, source, ALL) == Filled()
    assert opened == []
    second = write(source, "2.parquet", ("a", 6, 2))
    fill(store, source, ALL)
    assert opened == [str(second)]


def test_a_late_file_is_served(store: SqliteRows, source: Source) -> None:
    """Rows stamped before everything that is online, in a file that arrives later, are served by the next run onwards."""
    write(source, "1.parquet", ("a", 50, 1))
    fill(store, source, Goal("between", 0, 100))
    write(source, "2.parquet", ("late", 10, 2), ("a", 40, 3), ("future", 300, 4))
    assert fill(store, source, Goal("onwards", 0, 200)).rows == 2
    assert online(store, "late", "a", "future") == [2, 1, None]
    assert fill(store, source, Goal("onwards", 0, 400)) == Filled(1, 300, 300)
    assert online(store, "future") == [4]


def test_the_first_run_is_feasts_own(store: SqliteRows, source: Source) -> None:
    """The first run brings rows of its times only, both ends included; one onwards starts after it, and `all` brings the rest."""
    write(source, "1.parquet", ("before", 9, 1), ("start", 10, 2), ("end", 20, 3), ("after", 21, 4))
    fill(store, source, Goal("onwards", 10, 20))
    assert online(store, "before", "start", "end", "after") == [None, 2, 3, None]
    fill(store, source, Goal("onwards", 20, 30))
    assert online(store, "before", "after") == [None, 4]
    assert fill(store, source, ALL) == Filled(1, 9, 9)
    assert online(store, "before") == [1]


def test_an_older_interval_overwrites_nothing(store: SqliteRows, source: Source) -> None:
    """Materialising an older interval by hand leaves newer values, and does not hide what arrives later."""
    write(source, "1.parquet", ("a", 10, 1), ("a", 90, 2), ("b", 10, 3))
    fill(store, source, Goal("between", 50, 100))
    write(source, "2.parquet", ("late", 60, 4))
    fill(store, source, Goal("between", 0, 20))
    assert online(store, "a", "b", "late") == [2, 3, None]
    fill(store, source, Goal("onwards", 50, 200))
    assert online(store, "a", "late") == [2, 4]


def test_a_run_that_jumps_ahead_leaves_no_hole(store: SqliteRows, source: Source) -> None:
    """After an interval by hand that starts later than the last run ended, the next run onwards brings what lies between."""
    write(source, "1.parquet", ("a", 10, 1), ("between", 30, 2), ("b", 50, 3))
    fill(store, source, Goal("between", 0, 20))
    fill(store, source, Goal("between", 40, 60))
    fill(store, source, Goal("onwards", 0, 70))
    assert online(store, "a", "between", "b") == [1, 2, 3]


def test_a_rewritten_file_is_read_again(store: SqliteRows, source: Source) -> None:
    """A file whose content changed is new, rows stamped early included; also after an interval by hand met it first."""
    write(source, "1.parquet", ("a", 50, 1))
    fill(store, source, Goal("between", 0, 100))
    write(source, "1.parquet", ("a", 50, 1), ("late", 10, 22))
    fill(store, source, Goal("between", 90, 110))
    assert online(store, "late") == [None]
    fill(store, source, Goal("onwards", 0, 120))
    assert online(store, "late") == [22]


def test_an_emptied_store_is_filled_again(store: SqliteRows, source: Source, tmp_path: Path) -> None:
    """What was done is remembered by the store it was done in: another store gets everything since the first interval."""
    write(source, "1.parquet", ("a", 50, 1), ("before", 5, 2))
    fill(store, source, Goal("between", 10, 100))
    other = SqliteRows(tmp_path / "other.db", "shop")
    fill(other, source, Goal("onwards", 10, 110))
    assert online(other, "a", "before") == [1, None]
    other.close()


def test_another_layout_is_filled_anew(store: SqliteRows, source: Source) -> None:
    """When the view gains a feature that the files already have, the next run brings it for all rows."""
    write(source, "1.parquet", ("a", 50, 1), more=pa.array([0.5]))
    fill(store, source, ALL)
    wider = Layout((*LAYOUT.fields, ("more", "DOUBLE")))
    assert fill(store, replace(source, layout=wider), ALL).rows == 1
    (found,) = read(store, [Wanted("v", wider)], text_keys("user_id", ["a"]), 0)
    assert found.arrow("more").to_pylist() == [0.5]


def test_files_that_are_gone_are_forgotten(store: SqliteRows, source: Source) -> None:
    """The memory of files does not grow for ever, and what they brought stays online."""
    write(source, "1.parquet", ("a", 1, 1)).unlink()
    first = write(source, "2.parquet", ("a", 1, 1))
    fill(store, source, ALL)
    first.unlink()
    write(source, "3.parquet", ("b", 2, 2))
    fill(store, source, ALL)
    assert [Path(path).name for path in store.notes(f"arrived:v:{LAYOUT.fingerprint.hex()}")] == ["3.parquet"]
    assert online(store, "a", "b") == [1, 2]


def test_a_source_that_vanished_is_named(store: SqliteRows, source: Source) -> None:
    """No file where there were some is an error, and so is none at all, unless that is right; nothing changes online."""
    assert fill(store, source, ALL, empty=True) == Filled()
    with pytest.raises(
        DataError, match=r"^source of feature view 'v': expected files at .*/rows/\*\.parquet, found none\. Bring"
    ):
        fill(store, source, ALL)
    path = write(source, "1.parquet", ("a", 1, 1))
    fill(store, source, ALL)
    path.unlink()
    with pytest.raises(DataError, match=r"found none, where there were 1\. Bring them back"):
        fill(store, source, ALL, empty=True)
    assert online(store, "a") == [1]


def test_a_file_cut_short_is_named(store: SqliteRows, source: Source) -> None:
    """A damaged file stops the run before anything is written, by its name; whole again, the next run goes on."""
    write(source, "1.parquet", ("a", 1, 1))
    second = write(source, "2.parquet", ("b", 2, 2))
    whole = second.read_bytes()
    second.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        DataError, match=r"^feature view 'v', file .*/2\.parquet: expected a whole Parquet file, found .*Write the"
    ):
        fill(store, source, ALL)
    assert online(store, "a", "b") == [None, None]
    second.write_bytes(whole)
    fill(store, source, ALL)
    assert online(store, "a", "b") == [1, 2]


def test_damage_inside_a_file_is_named(store: SqliteRows, source: Source) -> None:
    """Pages that cannot be read are found while reading: an error with the file's name, and no memory of the file as done."""
    path = write(source, "1.parquet", *((f"u{at}", at, at) for at in range(100)))
    data = bytearray(path.read_bytes())
    data[200 : len(data) // 2] = bytes(len(data) // 2 - 200)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"^feature view 'v', file .*/1\.parquet: expected a whole Parquet file"):
        fill(store, source, ALL)
    assert store.notes(f"arrived:v:{LAYOUT.fingerprint.hex()}") == {}


@pytest.mark.parametrize("column", ["user_id", "seen", "arrived"])
def test_a_missing_column_is_named(store: SqliteRows, source: Source, column: str) -> None:
    """A file without a key's or a time's column is refused with view, file and column, whatever other files have."""
    write(source, "1.parquet", ("a", 1, 1))
    write(source, "2.parquet", ("a", 1, 1), **{column: None})
    with pytest.raises(DataError, match=rf"^feature view 'v', file .*/2\.parquet: expected the column '{column}', found .*n, t"):
        fill(store, source, ALL)


def test_a_file_may_be_older_than_a_feature(store: SqliteRows, source: Source) -> None:
    """Rows of files without a feature's column lack its value, before and after a file that has it, as in joins."""
    write(source, "1.parquet", ("a", 1, 1), n=None, t=pa.array(["old"]))
    write(source, "2.parquet", ("b", 1, 2))
    assert fill(store, source, ALL).rows == 2
    write(source, "3.parquet", ("c", 1, 3), n=None, t=pa.array(["new"]))
    assert fill(store, source, ALL).rows == 1
    (found,) = read(store, [Wanted("v", LAYOUT)], text_keys("user_id", ["a", "b", "c"]), 0)
    assert found.table().to_pylist() == [{"n": None, "t": "old"}, {"n": 2, "t": "<2>"}, {"n": None, "t": "new"}]


def test_a_feature_in_no_file_is_named(store: SqliteRows, source: Source) -> None:
    """A feature whose column no file has is refused with view and column, and nothing is written."""
    for name in ("1.parquet", "2.parquet"):
        write(source, name, ("a", 1, 1), t=None)
    with pytest.raises(
        DataError, match=r"^feature view 'v', column 't': expected in at least one file at .*, found in none of 2"
    ):
        fill(store, source, ALL)
    assert online(store, "a") == [None]


def test_a_view_that_comes_back_is_filled_again(store: SqliteRows, source: Source) -> None:
    """After a view was dropped and made again, the next run of any kind brings all that it would bring into a new store."""
    write(source, "1.parquet", ("a", 5, 1), ("b", 50, 2))
    for goal, rows in ((ALL, [1, 2]), (Goal("onwards", 10, 60), [None, 2])):
        fill(store, source, ALL)
        store.drop(["v"])
        store.prepare(["v"])
        fill(store, source, goal)
        assert online(store, "a", "b") == rows


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n": pa.array(["many"])}, r"^feature view 'v', column 'n', file .*1\.parquet: expected int64, found string: .*many"),
        ({"n": pa.array([1.5])}, r"column 'n', .* expected int64, found double: "),
        ({"seen": pa.array([True])}, r"^feature view 'v', column 'seen', file .*: expected timestamps, dates or .*, found bool"),
        ({"seen": pa.array(["soon"])}, r"column 'seen', file .*: expected timestamps, .*soon"),
        ({"seen": pa.array([1_700_000_000])}, r"column 'seen', file .*: expected timestamps, .* found int64"),
    ],
)
def test_a_wrong_type_is_named(store: SqliteRows, source: Source, columns: dict[str, pa.Array], message: str) -> None:
    """A column that cannot be what the view declares is refused with view, column and file, never rounded."""
    write(source, "1.parquet", ("a", 1, 1), **columns)
    with pytest.raises(DataError, match=message):
        fill(store, source, ALL)


MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "seen",
    [
        pa.array([MOMENT], pa.timestamp("ns", "UTC")),
        pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array([MOMENT], pa.timestamp("s", "Asia/Tokyo")),
        pa.array(["2026-03-01T12:00:00Z"]),
        pa.array(["2026-03-01 13:00:00+01:00"]),
        pa.array(["2026-03-01 12:00:00"]),
        pa.array(["2026-03-01T12:00:00.000000001Z"]),
    ],
)
def test_times_of_all_kinds_are_taken(store: SqliteRows, source: Source, seen: pa.Array) -> None:
    """Units, zones and texts are the same moment; without a zone it is UTC."""
    write(source, "1.parquet", ("a", 0, 1), seen=seen)
    assert fill(store, source, ALL).newest == (MOMENT - EPOCH) // timedelta(microseconds=1)


def test_times_of_several_zones_are_taken(store: SqliteRows, source: Source) -> None:
    """One column of texts may have times with zones and without."""
    seen = pa.array(["2026-03-01T12:00:00Z", "2026-03-01 12:00:01", None, "2026-03-01T14:00:02+02:00"])
    write(source, "1.parquet", *((user, 0, at) for at, user in enumerate("abcd")), seen=seen)
    first = (MOMENT - EPOCH) // timedelta(microseconds=1)
    assert fill(store, source, ALL) == Filled(3, first, first + 2_000_000)


@pytest.mark.parametrize(
    ("dtype", "stored", "taken"),
    [
        ("FLOAT", pa.array([20_000_001, None]), [20_000_000.0, None]),
        ("DOUBLE", pa.array([2**60 + 1, -1]), [float(2**60), -1.0]),
        ("UNIX_TIMESTAMP", pa.array([1_772_366_400, None]), [MOMENT, None]),
        ("UNIX_TIMESTAMP", pa.array(["2026-03-01T12:00:00Z", "2026-03-01 13:00:00+01:00"]), [MOMENT, MOMENT]),
        ("FLOAT_LIST", pa.array([[20_000_001, 1], None]), [[20_000_000.0, 1.0], None]),
        ("INT64_LIST", pa.array([[], [1, 2]], pa.large_list(pa.int32())), [[], [1, 2]]),
        ("UNIX_TIMESTAMP_LIST", pa.array([None, [1_772_366_400]]), [None, [MOMENT]]),
    ],
)
def test_what_feast_takes_is_taken(store: SqliteRows, source: Source, dtype: str, stored: pa.Array, taken: list[Any]) -> None:
    """Whole numbers become the nearest float, or are seconds where a time is declared, in lists too."""
    layout = Layout((("x", dtype),))
    write(source, "1.parquet", ("a", 1, 1), ("b", 1, 2), x=stored)
    fill(store, replace(source, layout=layout), ALL)
    (found,) = read(store, [Wanted("v", layout)], text_keys("user_id", ["a", "b"]), 0)
    assert found.arrow("x").to_pylist() == taken


def test_numbers_are_taken_as_declared(store: SqliteRows, source: Source) -> None:
    """Narrower numbers are widened; NaN in a whole number, which pandas writes for a missing one, is missing."""
    write(source, "1.parquet", ("a", 1, 1), ("b", 1, 2), n=pa.array([3.0, float("nan")]), t=pa.array(["<3>", None]))
    fill(store, source, ALL)
    assert online(store, "a", "b") == [3, None]


def test_columns_may_have_other_names(store: SqliteRows, source: Source) -> None:
    """A field mapping is followed for features and keys, and a source need not say when rows arrived."""
    path = write(source, "1.parquet", ("a", 1, 1))
    pq.write_table(pq.read_table(path).rename_columns(["who", "count", "t", "seen", "x"]), path)
    fill(store, replace(source, names={"user_id": "who", "n": "count"}, created=""), ALL)
    assert online(store, "a") == [1]


def test_composite_keys_and_none(store: SqliteRows, source: Source) -> None:
    """A view of two entities has one row per pair, and a view of none has one row."""
    write(source, "1.parquet", ("a", 1, 1), ("a", 2, 2), ("b", 3, 3), shop=pa.array([1, 2, 1], pa.int64()))
    keys = (("user_id", "STRING"), ("shop", "INT64"))
    fill(store, replace(source, view="pairs", keys=keys), ALL)
    fill(store, replace(source, view="one", keys=()), ALL)
    counts = [store._connection.execute(f'SELECT count(*) FROM "shop/{view}"').fetchone()[0] for view in ("pairs", "one")]
    assert counts == [3, 1]


@pytest.mark.parametrize("shape", ["file", "folder", "glob", "uri", "uri glob", "uri folder"])
def test_a_source_is_a_file_a_folder_or_a_glob(source: Source, shape: str) -> None:
    """However a path names them, the files are found; other files are not."""
    first, second = write(source, "1.parquet", ("a", 1, 1)), write(source, "2.parquet", ("b", 1, 1))
    (first.parent / "notes.txt").write_text("not rows")
    form = {"file": str(first), "folder": str(first.parent), "glob": f"{first.parent}/*.parquet"}[
        shape.removeprefix("uri").strip() or "file"
    ]
    found = files(replace(source, path=f"file://{form}" if shape.startswith("uri") else form))
    assert [file.path for file in found] == [str(path) for path in ([first] if form == str(first) else [first, second])]


@pytest.mark.parametrize("start", ["", "file://"])
def test_files_are_those_that_joins_read(source: Source, start: str) -> None:
    """Hidden and unfinished files are passed over, and a `*` stays within one folder, whatever the path looks like."""
    folder = Path(source.path).parent
    for name in (".half.parquet", "_temporary/x.parquet", "deep/2.parquet", "deep/.x/3.parquet", "1.parquet"):
        (folder / name).parent.mkdir(exist_ok=True)
        write(source, name, ("a", 1, 1))
    for path, names in ((f"{folder}/*.parquet", ["1"]), (str(folder), ["1", "2"]), (f"{folder}/**/*.parquet", ["1", "2"])):
        found = files(replace(source, path=f"{start}{path}"))
        joined = discover(spec.Source(f"{start}{path}"))[1]
        assert [Path(file.path).stem for file in found] == names
        assert [file.path for file in found] == [info.path for info in joined]


def test_a_place_that_cannot_be_listed_is_named(source: Source) -> None:
    """A path of no known kind of store is refused with the view."""
    with pytest.raises(DataError, match=r"^source of feature view 'v': expected a place whose files .*, found nosuch://x/\*: "):
        files(replace(source, path="nosuch://x/*"))


def test_progress_is_told(store: SqliteRows, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """After every chunk it is told how many rows are done, of all that will be read."""
    monkeypatch.setattr(sources, "CHUNK_ROWS", 2)
    write(source, "1.parquet", ("a", 1, 1), ("b", 1, 2), ("a", 2, 3))
    write(source, "2.parquet", ("c", 1, 1))
    told: list[tuple[int, int]] = []
    fill(store, source, ALL, lambda done, total: told.append((done, total)))
    assert told == [(2, 4), (3, 4), (4, 4)]


DYING = """
import sys
from pathlib import Path
from ratoon.features.online.filling import Goal, fill
from ratoon.features.online import sources
from ratoon.features.online.layout import Layout
from ratoon.features.online.sqlite import SqliteRows
sources.CHUNK_ROWS = 4
source = sources.Source("v", Layout((("n", "INT64"), ("t", "STRING"))), (("user_id", "STRING"),), sys.argv[1], "seen", "arrived")
fill(SqliteRows(Path(sys.argv[2]), "shop"), source, Goal("all"))
"""


@pytest.mark.parametrize("point", ["online.written:1", "online.written:3", "online.file:1", "online.file:2"])
def test_a_killed_run_leaves_no_hole(store: SqliteRows, source: Source, tmp_path: Path, point: str) -> None:
    """Killed anywhere, a run leaves whole rows, and the next one completes it."""
    for name, first in (("1.parquet", 0), ("2.parquet", 10)):
        write(source, name, *((f"u{at % 12}", at, at) for at in range(first, first + 10)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "platform"), "RATOON_FAULT": point}
    command = [sys.executable, "-c", DYING, source.path, str(tmp_path / "online.db")]
    died = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    fill(store, source, ALL)
    assert online(store, *(f"u{at}" for at in range(12))) == [*range(12, 20), 8, 9, 10, 11]
    assert fill(store, source, ALL) == Filled()


FILES = st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 40), st.integers(0, 99)), max_size=4), max_size=4)
RUNS = st.lists(st.tuples(st.sampled_from(["between", "onwards", "all"]), st.integers(0, 40), st.integers(0, 20)), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, RUNS)
def test_whatever_ran_before_everything_is_brought(tmp_path: Path, arrivals: list[list[Row]], runs: list[Any]) -> None:
    """After any files in any order of arrival and any runs between them, `all` leaves each entity's newest row."""
    folder = tmp_path / "some"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*"):
        old.unlink()
    source = Source("v", LAYOUT, (("user_id", "STRING"),), f"{folder}/*.parquet", "seen", "arrived")
    store = SqliteRows(folder / "online.db", "shop")
    for at, rows in enumerate(arrivals):
        write(source, f"{at}.parquet", *rows)
        for kind, start, length in runs[at : at + 1]:
            fill(store, source, Goal(kind, start, start + length))
    fill(store, source, ALL, empty=True)
    ordered = sorted((moment, number, str(user)) for rows in arrivals for user, moment, number in rows)
    newest = {user: number for _, number, user in ordered}
    assert online(store, *"abc") == [newest.get(user) for user in "abc"]
    store.close()
