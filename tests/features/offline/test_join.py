"""Two engines and a slow reference give the same rows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.features.offline import gather
from ratoon.features.offline.join import point_in_time
from ratoon.features.offline.late import newest_known
from ratoon.features.offline.spec import ENGINES, Engine, Source, ViewSide
from tests.features.offline.reference import column, joined
from tests.features.offline.worlds import World, worlds

MANY = settings(max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("view")


@given(worlds(), st.sampled_from([None, "at", "arrival"]))
@MANY
def test_the_engines_do_what_the_definition_says(folder: Path, world: World, arrival: str | None) -> None:
    """DuckDB = Polars = plain Python: ties, duplicates, late rows, nulls, ttl edges, zones, units, any number of keys."""
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


def test_everything_late_costs_little(tmp_path: Path) -> None:
    """A view whose rows all arrived after the labels, but for the first, gives that first row to all of them."""
    rows, day = 3_000, 86_400_000_000
    times = pa.array(range(0, rows * 1_000, 1_000), pa.timestamp("us", "UTC"))
    created = pa.array([0, *[day] * (rows - 1)], pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"k": ["a"] * rows, "ts": times, "created": created, "f": range(rows)}), tmp_path / "v.parquet")
    side = ViewSide("v", Source(f"{tmp_path}/v.parquet"), "ts", (("k", "k"),), (("f", "f"),), "created")
    entities = pa.table({"k": ["a"] * rows, "at": times})
    for engine in ENGINES:
        found = point_in_time(entities, [side], timestamp="at", arrival="at", engine=engine).column("f")
        assert found.unique().to_pylist() == [0]


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
    monkeypatch.setattr(gather, "READ", 100)
    assert point_in_time(entities, [side], timestamp="at", engine=engine).equals(whole)
