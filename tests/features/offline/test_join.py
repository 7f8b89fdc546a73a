"""Two engines and a slow reference give the same rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.features.offline import asof_duckdb, asof_polars, gather
from ratoon.features.offline.frames import every_moment
from ratoon.features.offline.join import point_in_time
from ratoon.features.offline.late import newest_known
from ratoon.features.offline.sources import Part
from ratoon.features.offline.spec import ENGINES, Engine, Source, ViewSide
from tests.features.offline.reference import column, joined
from tests.features.offline.worlds import World, worlds

SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ARRIVALS = st.sampled_from([None, "at", "arrival"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("view")


def agree(folder: Path, world: World, arrival: str | None) -> None:
    """Both engines give what the definition says."""
    side, entities = world.write(folder), world.entities()
    expected = [
        joined(
            world.rows,
            row if arrival == "arrival" else type(row)(row.key, row.at, row.at),
            world.ttl,
            stamped=world.stamped,
            arrived=arrival is not None,
        )
        for row in world.asked
    ]
    for engine in ENGINES:
        found = point_in_time(entities, [side], timestamp="at", arrival=arrival, engine=engine)
        assert found.select(entities.column_names).equals(entities)
        assert found.column("a").to_pylist() == column(expected, 0), engine
        assert found.column("b_y").to_pylist() == column(expected, 1), engine
        assert {one.num_chunks for one in found.columns} <= {0, 1}


@given(worlds(), ARRIVALS)
@settings(SHARED, max_examples=120)
def test_the_engines_do_what_the_definition_says(folder: Path, world: World, arrival: str | None) -> None:
    """DuckDB = Polars = plain Python: ties, duplicates, late rows, nulls, ttl edges, zones, units, any number of keys."""
    agree(folder, world, arrival)


@pytest.mark.soak
@given(worlds(), ARRIVALS)
@settings(SHARED, max_examples=5_000)
def test_the_engines_do_what_the_definition_says_for_long(folder: Path, world: World, arrival: str | None) -> None:
    """As above, 5,000 times."""
    agree(folder, world, arrival)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_the_newest_known_row_is_found_in_a_tree(data: st.DataObject) -> None:
    """The tree of minima finds the last row that had arrived, wherever it lies, as a search backwards does."""
    size = data.draw(st.integers(1, 40))
    created = np.array(data.draw(st.lists(st.integers(0, 9), min_size=size, max_size=size)), np.int64)
    asked = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(-1, 9)), max_size=8))
    start, limit = np.array([one[0] for one in asked], np.int64), np.array([one[1] for one in asked], np.int64)
    expected = [max((place for place in range(first + 1) if created[place] <= most), default=-1) for first, most in asked]
    assert newest_known(created, start, limit).tolist() == expected


class Counted(np.ndarray):
    """An array that counts how many of its values are asked for."""

    asked = 0

    def __getitem__(self, at: Any) -> Any:
        found = np.asarray(self)[at]
        Counted.asked += np.size(found)
        return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ttl", [None, timedelta(seconds=50)])
def test_everything_late_takes_few_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, ttl: timedelta | None
) -> None:
    """Where all rows of a key but the first arrived after the labels, each label is answered in about 2 log2(n) steps."""
    rows, day = 100_000, 86_400_000_000
    times = pa.array(range(0, rows * 1_000, 1_000), pa.timestamp("us", "UTC"))
    created = pa.array([0, *[day] * (rows - 1)], pa.timestamp("us", "UTC"))
    table = pa.table({"k": ["b"] * rows, "ts": times, "created": created, "f": range(rows)})
    # Rows of a key before it in the order, known early: they are nobody's.
    other = pa.table({"k": ["a"], "ts": times[:1], "created": created[:1], "f": [-1]})
    pq.write_table(pa.concat_tables([other, table]), tmp_path / "v.parquet")
    side = ViewSide("v", Source(f"{tmp_path}/v.parquet"), "ts", (("k", "k"),), (("f", "f"),), "created", ttl)
    entities = pa.table({"k": ["a", *["b"] * rows], "at": pa.concat_arrays([times[-1:], times])})
    late: list[int] = []

    def counting(created: np.ndarray, start: np.ndarray, limit: np.ndarray) -> np.ndarray:
        late.append(len(limit))
        return newest_known(created, start, limit.view(Counted))

    monkeypatch.setattr(Counted, "asked", 0)
    monkeypatch.setattr(asof_duckdb if engine == "duckdb" else asof_polars, "newest_known", counting)
    found = point_in_time(entities, [side], timestamp="at", arrival="at", engine=engine).column("f").to_pylist()
    assert late == [rows - 1]
    assert Counted.asked <= (rows - 1) * 2 * 17
    held = rows if ttl is None else 50_001
    assert found[1:] == [0] * held + [None] * (rows - held)
    assert found[0] == (-1 if ttl is None else None)


def test_keys_of_two_kinds(tmp_path: Path) -> None:
    """Files that have a key as a number and as text never meet in silence; numbers of two widths do meet."""
    times = pa.array([0, 0], pa.timestamp("us", "UTC"))
    side = ViewSide("v", Source(f"{tmp_path}/*.parquet"), "ts", (("k", "k"),), (("f", "f"),))
    pq.write_table(pa.table({"k": [1, 2], "ts": times, "f": [1, 2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"k": [3.0, None], "ts": times, "f": [3, 4]}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"k": pa.nulls(2), "ts": times, "f": [5, 6]}), tmp_path / "0.parquet")
    entities = pa.table({"k": [1, 3], "at": times})
    for engine in ENGINES:
        assert point_in_time(entities, [side], timestamp="at", engine=engine).column("f").to_pylist() == [1, 3]
    pq.write_table(pa.table({"k": ["01", "4"], "ts": times, "f": [7, 8]}), tmp_path / "3.parquet")
    message = r"join key 'k' of feature view 'v': expected int64, as in .*/1.parquet, found string in .*/3.parquet"
    for engine in ENGINES:
        with pytest.raises(DataError, match=message):
            point_in_time(entities, [side], timestamp="at", engine=engine)
    with pytest.raises(DataError, match=message):
        every_moment([side], 0, 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_times_far_apart_and_many_keys(tmp_path: Path, engine: Engine) -> None:
    """Keys times microseconds may exceed 64 bits, and packed stamps 126: the answer is the same."""
    ages = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 1970, 2024, 9999)]
    versions = [(place, age, created) for place, age in enumerate(ages) for created in ages]
    rows = [(f"k{key}", age, created, key * 10 + place) for key in range(200) for place, age, created in versions]
    names = ("k", "ts", "created", "f")
    table = pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)))
    pq.write_table(table, tmp_path / "v.parquet")
    side = ViewSide("v", Source(f"{tmp_path}"), "ts", (("k", "k"),), (("f", "f"), ("created", "c")), "created")
    asked = [(f"k{key}", age - timedelta(days=shift)) for key in range(200) for age in ages[1:] for shift in (0, 1)]
    entities = pa.table(dict(zip(("k", "at"), zip(*asked, strict=True), strict=True)))
    found = point_in_time(entities, [side], timestamp="at", engine=engine)
    newest = [max(place for place, age in enumerate(ages) if age <= at) for _, at in asked]
    assert found.column("f").to_pylist() == [int(k[1:]) * 10 + place for (k, _), place in zip(asked, newest, strict=True)]
    assert set(found.column("c").to_pylist()) == {ages[-1]}
    early = point_in_time(entities, [side], timestamp="at", arrival="at", engine=engine)
    assert early.column("f").equals(found.column("f"))
    assert early.column("c").to_pylist() == [ages[place] for place in newest]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_table_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> None:
    """Reading features a few rows at a time, over files with and without a feature, gives what one read gives."""
    for place in range(3):
        times = pa.array(range(place * 50, place * 50 + 50), pa.timestamp("us", "UTC"))
        columns = {"k": [str(row % 7) for row in range(50)], "ts": times, "f": [f"{place}-{row}" for row in range(50)]}
        columns |= {"g": [[row, None] for row in range(50)]} if place else {}
        pq.write_table(pa.table(columns), tmp_path / f"{place}.parquet", row_group_size=9)
    side = ViewSide("v", Source(f"{tmp_path}/*.parquet"), "ts", (("k", "k"),), (("f", "f"), ("g", "g")))
    at = pa.array([5, 149, 70, 3, 60, 149], pa.timestamp("us", "UTC"))
    entities = pa.table({"k": ["1", "2", "3", "6", "unknown", "2"], "at": at})
    whole = point_in_time(entities, [side], timestamp="at", engine=engine)
    assert whole.column("f").to_pylist() == ["0-1", "2-44", "1-17", None, None, "2-44"]
    assert whole.column("g").to_pylist() == [None, [44, None], [17, None], None, None, [44, None]]
    assert whole.schema.field("g").type == pa.list_(pa.int64())

    def compared(*_: object) -> bool:
        raise AssertionError("a file was compared with others: n files would take n * n comparisons")

    monkeypatch.setattr(Part, "__eq__", compared)
    assert point_in_time(entities, [side], timestamp="at", engine=engine).equals(whole)
    monkeypatch.setattr(gather, "READ", 100)
    assert point_in_time(entities, [side], timestamp="at", engine=engine).equals(whole)
