"""Files that somebody else writes."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.features.quality.declared import declared
from ratoon.features.quality.foreign import inspect
from ratoon.features.quality.releasing import Quarantine
from ratoon.features.views import View, ViewField
from tests.features.quality.conditions import at, open_log, view

FIELDS = (ViewField("age", "INT64"), ViewField("tags", "STRING_LIST"))


def written(path: Path, ages: list[int | None], **changes: pa.Array) -> None:
    columns = {
        "user_id": pa.array([f"u{place}" for place in range(len(ages))]),
        "age": pa.array(ages, pa.int64()),
        "tags": pa.array([["x"]] * len(ages)),
        "event_timestamp": pa.array([at(0)] * len(ages), TIME),
    } | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), path)


def theirs(folder: Path) -> View:
    return view("theirs", "foreign", str(folder / "theirs" / "*.parquet"), *FIELDS)


def looked(folder: Path, tag: str = "", **fields: str) -> int:
    one = theirs(folder)
    return inspect([one], declared(one, tag, fields), folder / "quarantine", at(60))


def test_rows_are_reported(tmp_path: Path) -> None:
    """Each row that breaks a rule is listed with its file and place; files that did not change are not read again."""
    written(tmp_path / "theirs" / "a.parquet", [3, 500, None])
    written(tmp_path / "theirs" / "b.parquet", [-1])
    assert looked(tmp_path, "not_before(2020-01-01)", age="range(0, 120)") == 2
    log = open_log(tmp_path)
    rows = Quarantine(log, tmp_path / "quarantine").listed("theirs")
    log.close()
    assert [row["id"] for row in rows] == [f"{tmp_path}/theirs/a.parquet:1", f"{tmp_path}/theirs/b.parquet:0"]
    assert (rows[0]["reason"], rows[0]["action"]) == ("age is 500, range(0, 120) is asked", "warn")
    (tmp_path / "theirs" / "b.parquet").unlink()
    assert looked(tmp_path, "not_before(2020-01-01)", age="range(0, 120)") == 1
    assert looked(tmp_path, "not_before(2027-01-01)") == 3
    assert looked(tmp_path, "not_before(2020-01-01)") == 0


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"age": None}, "no column age"),
        ({"age": pa.array([1.5])}, "age is Float64"),
        ({"tags": pa.array(["x"])}, "tags is String"),
        ({"event_timestamp": None}, "no column event_timestamp"),
    ],
)
def test_another_schema_blocks(tmp_path: Path, changes: dict[str, pa.Array], found: str) -> None:
    """A missing column and one of another type stop the run, naming file, view and column, each time until it is mended."""
    written(tmp_path / "theirs" / "a.parquet", [3], **changes)
    where = re.escape(f"file {tmp_path}/theirs/a.parquet of view 'theirs': expected schema(), found ")
    for _ in range(2):
        with pytest.raises(DataError, match=where) as blocked:
            looked(tmp_path, "schema()")
        assert found in str(blocked.value)
    written(tmp_path / "theirs" / "a.parquet", [3], event_timestamp=pa.array([at(0)], pa.timestamp("ns")))
    assert looked(tmp_path, "schema()") == 0


def test_missing_values_block(tmp_path: Path) -> None:
    """Too great a share of missing values in one file stops the run."""
    written(tmp_path / "theirs" / "a.parquet", [None] * 25)
    with pytest.raises(DataError, match=r"found age is missing in 100\.0% of 25 rows, null_share\(0\.5\) is asked"):
        looked(tmp_path, age="null_share(0.5)")


def test_a_row_can_block(tmp_path: Path) -> None:
    """A rule marked `block` names the row."""
    written(tmp_path / "theirs" / "a.parquet", [3, 500])
    with pytest.raises(DataError, match=r"found row 1: age is 500, range\(0, 120\) is asked"):
        looked(tmp_path, age="range(0, 120) block")


def test_a_file_cut_short_is_named(tmp_path: Path) -> None:
    """Half a Parquet file is refused by its name."""
    path = tmp_path / "theirs" / "a.parquet"
    written(path, [3])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=re.escape(f"file {path} of view 'theirs': expected a whole Parquet file")):
        looked(tmp_path, age="range(0, 120)")
