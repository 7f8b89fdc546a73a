"""What cannot be joined or written is refused by view, column and file."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.errors import DataError, StoreError, UsageError
from ratoon.features import offline
from ratoon.features.offline import sources, write
from ratoon.features.offline.frames import entity_table, timestamp_column
from ratoon.features.offline.join import batches, point_in_time
from ratoon.features.offline.spec import Source, ViewSide
from ratoon.features.offline.times import to_micros

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ENTITIES = pa.table({"k": ["a"], "at": [NOON]})


def view(path: Path, **columns: list[object]) -> ViewSide:
    table = pa.table({"k": ["a"], "ts": [NOON], "created": [NOON], "f": [1], **columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return side(path)


def side(path: Path | str) -> ViewSide:
    return ViewSide("prices", Source(str(path)), "ts", (("k", "k"),), (("f", "f"),), "created")


def join(one: ViewSide, entities: pa.Table = ENTITIES) -> pa.Table:
    return point_in_time(entities, [one], timestamp="at")


def test_a_source_that_is_gone(tmp_path: Path) -> None:
    """A view without a file is an error with the view and the path."""
    with pytest.raises(
        DataError, match=r"source of feature view 'prices': expected at least one Parquet file, found none at .*/v\*"
    ):
        join(side(tmp_path / "v*.parquet"))


def test_a_file_cut_short(tmp_path: Path) -> None:
    """A file without its end is an error with its path, and so is one with damaged pages."""
    one = view(tmp_path / "v.parquet")
    whole = (tmp_path / "v.parquet").read_bytes()
    (tmp_path / "v.parquet").write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"file .*/v.parquet of feature view 'prices': expected a whole Parquet file, found "):
        join(one)
    (tmp_path / "v.parquet").write_bytes(whole[:4] + b"\xff" * 200 + whole[204:])
    with pytest.raises(StoreError, match=r"file .*/v.parquet of feature view 'prices': expected a readable Parquet file, found "):
        join(one)


def test_a_column_that_is_missing(tmp_path: Path) -> None:
    """Keys and times must be in every file, a feature in at least one."""
    table = pa.table({"k": ["a"], "ts": [NOON], "created": [NOON], "f": [1]})
    for column in table.column_names:
        pq.write_table(table.drop_columns([column]), tmp_path / "v.parquet")
        with pytest.raises(DataError, match=rf"column '{column}' of feature view 'prices': expected it in .*/v.parquet, found "):
            join(side(tmp_path / "v.parquet"))
    for column in ("k", "at"):
        with pytest.raises(DataError, match=rf"entity rows of .*: expected a column '{column}', found .* Add the column"):
            join(view(tmp_path / "v.parquet"), ENTITIES.drop_columns([column]))


def test_types_that_do_not_fit(tmp_path: Path) -> None:
    """Keys of types that are never equal, times that are none and files that disagree are refused by name."""
    with pytest.raises(
        DataError, match=r"join key 'k' of feature view 'prices': expected entity rows with string, .*found int64"
    ):
        join(view(tmp_path / "v.parquet"), pa.table({"k": [1], "at": [NOON]}))
    with pytest.raises(DataError, match=r"column 'ts' of feature view 'prices': expected timestamps, dates or ISO 8601 strings"):
        join(view(tmp_path / "v.parquet", ts=[1.5]))
    with pytest.raises(DataError, match=r"entity column 'at': expected timestamps, dates or ISO 8601 strings, found int64"):
        join(view(tmp_path / "v.parquet"), pa.table({"k": ["a"], "at": [1]}))
    with pytest.raises(DataError, match=r"entity column 'at': expected timestamps, .*found .*yesterday"):
        join(view(tmp_path / "v.parquet"), pa.table({"k": ["a"], "at": ["yesterday"]}))
    with pytest.raises(DataError, match=r"column 'ts' of feature view 'prices': expected timestamps, .*found .*yesterday"):
        join(view(tmp_path / "v.parquet", ts=["yesterday"]))
    view(tmp_path / "two" / "1.parquet")
    view(tmp_path / "two" / "2.parquet", f=["one"])
    with pytest.raises(
        DataError, match=r"column 'f' of feature view 'prices': expected int64, as in .*/1.parquet, found string in .*2"
    ):
        join(side(tmp_path / "two"))


def test_a_read_that_no_file_is_to_blame_for(tmp_path: Path) -> None:
    """If all files can be read and the rows cannot be used, the source is named."""
    one = view(tmp_path / "v.parquet")
    parts = sources.open_parts(one.source, one.where)
    wrong = sources.scan(parts, one.source).select(pl.col("k").cast(pl.Int64, strict=True))
    with pytest.raises(
        DataError, match=r"rows of feature view 'prices': expected values that can be used as declared, found conversion"
    ):
        sources.collect(wrong, parts, one.source, one.where)


def test_names_that_clash(tmp_path: Path) -> None:
    """Two outputs of one name are refused."""
    with pytest.raises(
        DataError, match=r"feature 'f' of feature view 'prices': expected a name that no entity column and no other"
    ):
        join(view(tmp_path / "v.parquet"), ENTITIES.append_column("f", [[1]]))


def test_engines_and_entity_rows_that_are_none(tmp_path: Path) -> None:
    """An engine, a frame or a query that nobody knows is a usage error; a column of mixed types is named."""
    with pytest.raises(UsageError, match=r"engine: expected polars or duckdb, found 'spark'"):
        point_in_time(ENTITIES, [view(tmp_path / "v.parquet")], timestamp="at", engine="spark")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"entity_df: expected a pandas or Polars frame, .*found dict"):
        entity_table({"k": ["a"]})
    with pytest.raises(UsageError, match=r"entity_df: expected one SELECT that DuckDB can run, found .*nothing_here"):
        entity_table("SELECT * FROM nothing_here")
    with pytest.raises(DataError, match=r"entity column 'k': expected values of one type, found "):
        entity_table(pd.DataFrame({"k": ["a", 1, b"x"]}))
    with pytest.raises(
        DataError, match=r"entity rows: expected a column 'event_timestamp', or exactly one of timestamps, found k"
    ):
        timestamp_column(ENTITIES.drop_columns(["at"]))
    assert timestamp_column(ENTITIES) == "at"


def test_streamed_entities(tmp_path: Path) -> None:
    """A stream of entity rows gives a stream of joined rows."""
    one = view(tmp_path / "v.parquet")
    rows = pa.concat_tables([ENTITIES] * 3).to_reader(max_chunksize=1)
    assert [batch.column("f").to_pylist() for batch in batches(rows, [one], timestamp="at")] == [[1], [1], [1]]


def test_appending(tmp_path: Path) -> None:
    """Rows are added as new files, by day where the path says so, and the old files stay as they are."""
    flat, daily = Source(f"{tmp_path}/flat/part-*.parquet"), Source(f"{tmp_path}/daily/day=*/*.parquet")
    table = pa.table({"ts": [NOON, datetime(2024, 5, 2, tzinfo=UTC)], "f": [1, 2]})
    for source in (flat, daily, Source(f"{tmp_path}/folder")):
        write.append(source, table, "ts", "feature view 'prices'")
        write.append(source, table.select(["f", "ts"]), "ts", "feature view 'prices'")
    assert len(list((tmp_path / "flat").glob("part-*.parquet"))) == 2
    assert len(list((tmp_path / "folder").glob("*.parquet"))) == 2
    assert sorted(folder.name for folder in (tmp_path / "daily").iterdir()) == ["day=2024-05-01", "day=2024-05-02"]
    assert pq.read_table(sorted((tmp_path / "daily" / "day=2024-05-01").iterdir())[0]).column("f").to_pylist() == [1]
    once = Source(f"{tmp_path}/once.parquet")
    write.append(once, table, "ts", "feature view 'prices'")
    with pytest.raises(
        UsageError, match=r"path of feature view 'prices': expected a folder or a glob, .*once.parquet\. Move the file"
    ):
        write.append(once, table, "ts", "feature view 'prices'")
    with pytest.raises(DataError, match=r"rows for feature view 'prices': expected the columns ts, f, found ts"):
        write.append(flat, table.select(["ts"]), "ts", "feature view 'prices'")
    with pytest.raises(DataError, match=r"rows for feature view 'prices': expected values of the columns' types, found "):
        write.append(flat, table.set_column(1, "f", [["x", "y"]]), "ts", "feature view 'prices'")


def test_appending_by_uri(tmp_path: Path) -> None:
    """A URI stays one: days are put into its path, and the files are where the source looks for them."""
    table = pa.table({"ts": [NOON, datetime(2024, 5, 2, tzinfo=UTC)], "f": [1, 2]})
    source = Source(f"file://{tmp_path}/day=*/part-*.parquet")
    for count in (2, 4):
        write.append(source, table, "ts", "feature view 'prices'")
        parts = sources.open_parts(source, "feature view 'prices'")
        assert len(parts) == count
    assert sources.collect(sources.scan(parts, source), parts, source, "x")["f"].to_list() == [1, 1, 2, 2]


def test_a_day_that_is_no_wildcard(tmp_path: Path) -> None:
    """Rows for the folder of one day stay in it: the source reads no other."""
    table = pa.table({"ts": [NOON], "f": [1]})
    write.append(Source(f"{tmp_path}/day=2024-01-01/*.parquet"), table, "ts", "feature view 'prices'")
    assert [str(one.relative_to(tmp_path).parent) for one in tmp_path.rglob("*.parquet")] == ["day=2024-01-01"]
    none = pa.table({"ts": pa.nulls(1, pa.timestamp("us")), "f": [1]})
    with pytest.raises(DataError, match=r"column 'ts' of feature view 'prices': expected a time in every row, .*found 1 rows"):
        write.append(Source(f"{tmp_path}/day=*/*.parquet"), none, "ts", "feature view 'prices'")


def test_globs_that_do_not_say_where(tmp_path: Path) -> None:
    """Wildcards in folders, and names that a star alone does not make, are refused, and nothing is written."""
    table = pa.table({"ts": [NOON], "f": [1]})
    for folder in ("**", "year=*", "day=202?-*", "day=*/hour=*"):
        with pytest.raises(UsageError, match=r"path of feature view 'prices': expected a glob without wildcards in its folders"):
            write.append(Source(f"{tmp_path}/{folder}/*.parquet"), table, "ts", "feature view 'prices'")
    for name in ("part-?.parquet", "part-[0-9]*.parquet", "**", "part-?-*.parquet"):
        with pytest.raises(UsageError, match=r"path of feature view 'prices': expected a file name with a \* for what tells"):
            write.append(Source(f"{tmp_path}/{name}"), table, "ts", "feature view 'prices'")
    assert list(tmp_path.iterdir()) == []
    write.append(Source(f"{tmp_path}/a-*-*.parquet"), table, "ts", "feature view 'prices'")
    assert len(sources.found(Source(f"{tmp_path}/a-*-*.parquet"))) == 1


def test_names_of_a_field_mapping() -> None:
    """Columns come back to the names in the files, whether Feast has renamed them or not, exchanged names included."""
    mapping = {"who": "k", "a": "b", "b": "a"}
    renamed = pa.table({"k": [1], "b": [2], "a": [3], "f": [4]})
    assert write.stored(renamed, mapping).to_pydict() == {"who": [1], "a": [2], "b": [3], "f": [4]}
    as_stored = pa.table({"who": [1], "x": [2], "k2": [3]})
    assert write.stored(as_stored, {"who": "k", "x": "y"}).column_names == ["who", "x", "k2"]


def test_times_of_every_kind() -> None:
    """Seconds to nanoseconds, naive, zoned, dates and text become the same microseconds; what is finer is cut down."""
    micros = 1_714_564_800_000_000
    texts = ["2024-05-01T12:00:00Z", "2024-05-01 14:00:00+02:00", "2024-05-01 12:00:00.000000999", " 2024-05-01T12:00", None]
    expected = [micros] * 4 + [-(2**63)]
    assert to_micros(pa.chunked_array([pa.array(texts)]), "x").tolist() == expected
    assert to_micros(pa.chunked_array([pa.array(texts).dictionary_encode()]), "x").tolist() == expected
    for unit in ("s", "ms", "us", "ns"):
        column = pa.chunked_array([pa.array([NOON, None], pa.timestamp(unit, "UTC"))])
        assert to_micros(column, "x").tolist() == [micros, -(2**63)]
    assert to_micros(pa.chunked_array([pa.array([NOON.date()])]), "x").tolist() == [micros - 43_200_000_000]
    assert to_micros(pa.chunked_array([pa.nulls(1)]), "x").tolist() == [-(2**63)]


def test_names_that_are_not_there() -> None:
    """The package offers Feast's two names and no other."""
    with pytest.raises(AttributeError, match=r"module 'ratoon.features.offline' has no attribute 'Nothing'"):
        offline.Nothing  # noqa: B018  # the look-up is the point
