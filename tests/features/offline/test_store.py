"""The parts of Feast's plugin interface, each as a Feast user meets it."""

import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination, SavedDatasetFileStorage
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Int64, String

from ratoon.domain.errors import DataError, UsageError
from ratoon.features.offline import AsofOfflineStore
from ratoon.features.offline.job import AsofRetrievalJob
from tests.features.offline.reference import Row
from tests.features.offline.stores import Request, Stores
from tests.features.offline.worlds import SECOND, START

AB = ["single:single_a", "single:single_b"]


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast warns of its own internals when it applies.
        made = Stores(tmp_path_factory.mktemp("feast"))
        single = [
            Row(("a",), START + second * SECOND, START + late * SECOND, (second, "x"))
            for second, late in ((0, 0), (2, 5), (4, 4))
        ]
        other = (Row(("b",), START + SECOND, START, (7, None)),)
        made.write(Request({"single": (*single, *other), "pair": (Row(("a", "i"), START + SECOND, START, (3, "z")),)}, ()))
        yield made


@pytest.fixture(params=["polars", "duckdb"])
def store(request: pytest.FixtureRequest, stores: Stores) -> FeatureStore:
    return stores.ours[request.param]


def at(second: int) -> datetime:
    return datetime.fromtimestamp(START / SECOND, UTC) + timedelta(seconds=second)


def job(store: FeatureStore, rows: Any, references: list[str] = AB, **options: Any) -> AsofRetrievalJob:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast warns of its own internals on every call.
        found = store.get_historical_features(rows, references, **options)
    assert isinstance(found, AsofRetrievalJob)
    return found


ROWS: dict[str, list[Any]] = {"k0": ["b", "a", "nobody", "a"], "event_timestamp": [at(1), at(5), at(5), at(0)]}
ANSWER = {"single_a": [7, 4, None, 0], "single_b": [None, "x", None, "x"]}


def test_entity_rows_of_every_kind(store: FeatureStore) -> None:
    """A pandas frame, a Polars frame, a lazy one, an Arrow table and a query give the same, and none is written to."""
    table = pa.table(ROWS)
    frame = table.to_pandas()
    before = frame.copy(deep=True)
    moments = "make_timestamp(1700000000000000 + 1000000 * unnest([1, 5, 5, 0])) AS event_timestamp"
    query = f"SELECT unnest(['b', 'a', 'nobody', 'a']) AS k0, {moments}"
    texts = {"k0": ROWS["k0"], "event_timestamp": [moment.isoformat() for moment in ROWS["event_timestamp"]]}
    naive = frame.assign(event_timestamp=frame["event_timestamp"].dt.tz_localize(None))
    zoned = frame.assign(event_timestamp=frame["event_timestamp"].dt.tz_convert("Asia/Tokyo"))
    kinds = [frame, naive, zoned, pd.DataFrame(texts), table, pl.DataFrame(ROWS), pl.LazyFrame(ROWS), query]
    for rows in [*kinds, frame.astype({"k0": "category"})]:
        found = job(store, rows).to_arrow()
        assert found.to_pydict() == {**ROWS, **ANSWER}
        assert found.schema.field("event_timestamp").type == pa.timestamp("us", "UTC")
        assert all(column.num_chunks == 1 for column in found.columns)
    pd.testing.assert_frame_equal(frame, before)


def test_without_entity_rows(store: FeatureStore) -> None:
    """start_date and end_date stand for every key and time at which a view has a row between them, both included."""
    found = job(store, None, start_date=at(1), end_date=at(2)).to_arrow()
    assert found.to_pydict() == {"k0": ["b", "a"], "event_timestamp": [at(1), at(2)], "single_a": [7, 2], "single_b": [None, "x"]}
    both = job(store, None, [*AB, "pair:pair_a"], start_date=at(1), end_date=at(1)).to_arrow()
    assert both.select(["k0", "k1", "pair_a"]).to_pylist() == [
        {"k0": "a", "k1": "i", "pair_a": 3},
        {"k0": "b", "k1": None, "pair_a": None},
    ]


def test_a_range_without_rows(store: FeatureStore) -> None:
    """Where no view has a row between start_date and end_date, the answer is empty, with all columns and their types."""
    references = [*AB, "pair:pair_a"]
    some = job(store, None, references, start_date=at(1), end_date=at(1)).to_arrow()
    none = job(store, None, references, start_date=at(-90), end_date=at(-80)).to_arrow()
    assert (none.num_rows, none.schema) == (0, some.schema)


def test_a_job_in_every_form(store: FeatureStore) -> None:
    """Frame, table and batches of a job hold the same rows, its metadata says what was asked for, and no row is no error."""
    asked = job(store, pa.table(ROWS))
    assert asked.to_df()["single_a"].tolist()[:2] == [7, 4]
    batches = list(asked.to_record_batches(3))
    assert [batch.num_rows for batch in batches] == [3, 1]
    assert pa.Table.from_batches(batches).to_pydict() == asked.to_arrow().to_pydict()
    assert asked.metadata is not None
    assert (asked.metadata.features, asked.metadata.keys) == (AB, ["k0"])
    assert (asked.metadata.min_event_timestamp, asked.metadata.max_event_timestamp) == (at(0), at(5))
    nothing = job(store, pa.table(ROWS).slice(0, 0)).to_arrow()
    assert (nothing.num_rows, nothing.schema) == (0, asked.to_arrow().schema)


@pytest.mark.parametrize("arrived", [False, True])
def test_a_join_as_sql(stores: Stores, arrived: bool) -> None:
    """The statement of a job, run by DuckDB elsewhere, gives the job's rows; Polars has none."""
    references = [*AB, "pair:pair_a", "everyone:everyone_a", "renamed:renamed_a"]
    rows = pa.table({**ROWS, "k1": ["i", "i", None, "j"]})
    texts = [
        *(str(moment.replace(tzinfo=None)) for moment in ROWS["event_timestamp"][:2]),
        "2023-11-15T00:13:25.0000009+02:00",
        None,
    ]
    finer = pa.array([START * 1_000 + 1_999, START * 1_000 + 5_000_000_999, -1, None], pa.timestamp("ns", "UTC"))
    for times in (rows["event_timestamp"], pa.array(texts), pa.array(texts).dictionary_encode(), finer):
        given = rows.set_column(1, "event_timestamp", times)
        asked = job(stores.ours["duckdb"], given, references, filter_by_created_timestamp=arrived)
        with duckdb.connect() as connection:
            connection.sql("SET TimeZone = 'America/New_York'")
            connection.register("entity_df", given)
            found = connection.sql(asked.to_sql()).to_arrow_table()
        assert found.to_pydict() == asked.to_arrow().to_pydict()
    query = "SELECT 'a' AS k0, make_timestamp(1700000005000000) AS event_timestamp ; \n"
    with duckdb.connect() as connection:
        found = connection.sql(job(stores.ours["duckdb"], query).to_sql()).to_arrow_table()
    assert found.column("single_a").to_pylist() == [4]
    with pytest.raises(UsageError, match=r"to_sql: expected a join by the engine duckdb, found another\. Set `engine: duckdb`"):
        job(stores.ours["polars"], rows).to_sql()


def test_names_that_are_taken(store: FeatureStore) -> None:
    """A feature called like an entity column comes as view__feature beside it; full names are that for all."""
    rows = pa.table({**ROWS, "single_a": [-1, -2, -3, -4]})
    found = job(store, rows).to_arrow()
    assert found.column("single_a").to_pylist() == [-1, -2, -3, -4]
    assert found.column("single__single_a").to_pylist() == ANSWER["single_a"]
    full = job(store, pa.table(ROWS), full_feature_names=True).to_arrow()
    assert full.column_names == ["k0", "event_timestamp", "single__single_a", "single__single_b"]


def test_on_demand_features(stores: Stores) -> None:
    """Features that Feast computes from these rows are appended to them."""
    store = stores.ours["polars"]
    given = RequestSource(name="given", schema=[Field(name="add", dtype=Int64)])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast warns that on-demand views are experimental.

        @on_demand_feature_view(sources=[stores.views[0], given], schema=[Field(name="total", dtype=Int64)], mode="pandas")  # type: ignore[untyped-decorator]  # Feast leaves it untyped
        def summed(inputs: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"total": (inputs["single_a"] + inputs["add"]).astype("Int64")})

        store.apply([summed])
        rows = pd.DataFrame({**ROWS, "add": [1, 2, 3, 4]})
        found = store.get_historical_features(rows, ["summed:total"]).to_arrow()
    assert found.column("total").to_pylist() == [8, 6, None, 4]


def pulled(stores: Stores, how: str, first: int, last: int, **options: Any) -> AsofRetrievalJob:
    store = stores.ours["polars"]
    source = FileSource(path=str(stores.folder / "single.parquet"), timestamp_field="ts", created_timestamp_column="created")
    found = getattr(AsofOfflineStore, how)(
        store.config, source, ["k0"], ["single_a"], "ts", "created", at(first), at(last), **options
    )
    assert isinstance(found, AsofRetrievalJob)
    return found


def test_pulls(stores: Stores) -> None:
    """Both ends of a pull are included; the latest row of a key is its newest in the range."""
    everything = pulled(stores, "pull_all_from_table_or_query", 0, 2)
    assert everything.to_arrow().to_pydict() == {
        "k0": ["a", "a", "b"],
        "single_a": [0, 2, 7],
        "ts": [at(0), at(2), at(1)],
        "created": [at(0), at(5), at(0)],
    }
    assert pa.Table.from_batches(everything.to_record_batches(1)).equals(everything.to_arrow())
    latest = pulled(stores, "pull_latest_from_table_or_query", 0, 2)
    assert latest.to_arrow().select(["k0", "single_a"]).to_pydict() == {"k0": ["a", "b"], "single_a": [2, 7]}
    assert pulled(stores, "pull_latest_from_table_or_query", 50, 60).to_arrow().num_rows == 0
    assert pulled(stores, "pull_all_from_table_or_query", 50, 60).to_arrow().schema == everything.to_arrow().schema


def test_naive_pulls_are_utc(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ends of a pull without a zone are UTC, wherever the process runs."""
    source = FileSource(path=str(stores.folder / "single.parquet"), timestamp_field="ts")
    span = (at(0).replace(tzinfo=None), at(1).replace(tzinfo=None))
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        config = stores.ours["polars"].config
        for how in (AsofOfflineStore.pull_latest_from_table_or_query, AsofOfflineStore.pull_all_from_table_or_query):
            assert how(config, source, ["k0"], ["single_a"], "ts", None, *span).to_arrow().column("single_a").to_pylist() == [
                0,
                7,
            ]
    time.tzset()


def test_nanoseconds_materialise(stores: Stores, tmp_path: Path) -> None:
    """A pull of a file with nanosecond times, as pandas writes them, gives microseconds."""
    pd.DataFrame({"k": ["a"], "f": [1], "ts": [pd.Timestamp("2024-05-01 10:00:00.123456789", tz="UTC")]}).to_parquet(
        tmp_path / "n.parquet"
    )
    source = FileSource(path=str(tmp_path / "n.parquet"), timestamp_field="ts")
    span = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
    config = stores.ours["polars"].config
    found = AsofOfflineStore.pull_latest_from_table_or_query(config, source, ["k"], ["f"], "ts", None, *span).to_arrow()
    assert found.column("ts").to_pylist() == [datetime(2024, 5, 1, 10, 0, 0, 123456, UTC)]


def test_a_saved_dataset(stores: Stores, tmp_path: Path) -> None:
    """A job is written to a file or a folder once, and again only if that is asked for."""
    asked = job(stores.ours["polars"], pa.table(ROWS))
    for path in (tmp_path / "saved.parquet", tmp_path / "saved"):
        asked.persist(SavedDatasetFileStorage(str(path)))
        with pytest.raises(SavedDatasetLocationAlreadyExists, match="already exists"):
            asked.persist(SavedDatasetFileStorage(str(path)))
        asked.persist(SavedDatasetFileStorage(str(path)), allow_overwrite=True)
        assert pq.read_table(path).to_pydict() == {**ROWS, **ANSWER}


def test_logged_features(stores: Stores, tmp_path: Path) -> None:
    """Logs add files to their folder, by the columns they are partitioned by."""
    config = stores.ours["polars"].config
    table = pa.table({"day": ["1", None, "1"], "f": [1, 2, 3]})
    for by in ([], ["day"]):
        destination = FileLoggingDestination(path=str(tmp_path / str(len(by))), partition_by=by)
        for data in (table, tmp_path / "given.parquet"):
            pq.write_table(table, tmp_path / "given.parquet")
            AsofOfflineStore.write_logged_features(config, data, None, LoggingConfig(destination), None)  # type: ignore[arg-type]  # neither is read
        files = sorted(Path(destination.path).rglob("*.parquet"))
        assert [pq.ParquetFile(file).metadata.num_rows for file in files] == ([2, 2, 1, 1] if by else [3, 3])


def test_offline_writes_under_a_field_mapping(stores: Stores, tmp_path: Path) -> None:
    """Rows written through Feast, which renames them first, are stored under the names of the files and joined from there."""
    store = stores.ours["polars"]
    stamp = pa.array([at(0)], pa.timestamp("us", "UTC"))
    (tmp_path / "mapped").mkdir()
    pq.write_table(pa.table({"who": ["a"], "raw": [1], "when": stamp}), tmp_path / "mapped" / "0.parquet")
    source = FileSource(
        name="mapped_source",
        path=str(tmp_path / "mapped" / "*.parquet"),
        timestamp_field="ts",
        field_mapping={"who": "k0", "raw": "mapped_a", "when": "ts"},
    )
    schema = [Field(name="k0", dtype=String), Field(name="mapped_a", dtype=Int64)]
    user = Entity(name="k0", join_keys=["k0"], value_type=ValueType.STRING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast warns of its own internals when it applies.
        store.apply([user, FeatureView(name="mapped", entities=[user], schema=schema, source=source)])
        store.write_to_offline_store("mapped", pd.DataFrame({"who": ["b"], "raw": [2], "when": [at(1)]}))
        store.write_to_offline_store("mapped", pd.DataFrame({"who": ["c"], "raw": [3], "when": [at(1)]}))
    rows = pa.table({"k0": ["a", "b", "c"], "event_timestamp": [at(2)] * 3})
    assert job(store, rows, ["mapped:mapped_a"]).to_arrow().column("mapped_a").to_pylist() == [1, 2, 3]


def test_what_a_source_has(stores: Stores) -> None:
    """Columns and types are read from files; a source without its time column is refused, one without files unless tagged."""
    store, config = AsofOfflineStore(), stores.ours["polars"].config
    good = FileSource(name="good", path=str(stores.folder / "single.parquet"), timestamp_field="ts")
    assert dict(store.get_table_column_names_and_types_from_data_source(config, good))["single_a"] == "int64"
    store.validate_data_source(config, good)
    bad = FileSource(name="bad", path=good.path, timestamp_field="when")
    with pytest.raises(DataError, match=r"column 'when' of data source 'bad': expected it in .*single.parquet, found k0, ts"):
        store.validate_data_source(config, bad)
    for allowed in (False, True):
        path, tags = str(stores.folder / "later" / "*.parquet"), {"ratoon.empty": "true"} if allowed else {}
        later = FileSource(name="later", path=path, timestamp_field="ts", tags=tags)
        if allowed:
            store.validate_data_source(config, later)
        else:
            with pytest.raises(DataError, match="data source 'later': expected at least one Parquet file, found none at "):
                store.validate_data_source(config, later)
