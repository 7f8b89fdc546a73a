"""Feast's own commands and clients over the packed stores, as a user of Feast configures them."""

import os
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, OnDemandFeatureView, PushSource
from feast.types import Array, Bool, Bytes, Float32, Float64, Int32, Int64, Json, String, UnixTimestamp
from feast.value_type import ValueType

from ratoon.domain.errors import DataError
from ratoon.features.online.opening import Place
from tests.fakes.valkey import valkey

DAY = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)

YAML = """
project: shop
provider: local
registry:
  registry_store_type: ratoon.features.online.registry.FencedRegistryStore
  path: registry.db
online_store:
{online}
batch_engine:
  type: ratoon.features.online.engine.PackedComputeEngine
entity_key_serialization_version: 3
"""
SQLITE = "  type: ratoon.features.online.feast_stores.PackedSqliteOnlineStore\n  path: online.db"
REDIS = "  type: ratoon.features.online.feast_stores.PackedRedisOnlineStore\n  connection_string: {url}"

user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)

pytestmark = pytest.mark.filterwarnings("ignore")  # Feast's own calls of what pandas, ibis and DuckDB call old


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with valkey() as url:
        yield url


@pytest.fixture(params=["sqlite", "redis"])
def online(request: pytest.FixtureRequest, server: str) -> str:
    """The lines of feature_store.yaml about the online store."""
    return SQLITE if request.param == "sqlite" else REDIS.format(url=server)


def opened(folder: Path, online: str) -> FeatureStore:
    (folder / "feature_store.yaml").write_text(
        YAML.format(online=online).replace("project: shop", f"project: p{os.urandom(4).hex()}")
    )
    return FeatureStore(repo_path=str(folder))


def rows(folder: Path, name: str, *, seen: list[datetime], **columns: Any) -> None:
    """A file `name` of rows."""
    (folder / "rows").mkdir(exist_ok=True)
    times = pa.array(seen, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table(columns | {"seen": times, "arrived": times}), folder / "rows" / name)


def source(folder: Path, name: str, **more: Any) -> FileSource:
    path = f"{folder}/rows/{name}"
    return FileSource(name=path, path=path, timestamp_field="seen", created_timestamp_column="arrived", **more)


def counts(folder: Path, ttl: timedelta = timedelta(0)) -> FeatureView:
    """A view of one number per user."""
    schema = [Field(name="n", dtype=Int64)]
    return FeatureView(name="counts", entities=[user], schema=schema, source=source(folder, "counts*.parquet"), ttl=ttl)


def values(store: FeatureStore, *users: str) -> list[object]:
    return list(store.get_online_features(["counts:n"], [{"user_id": one} for one in users]).to_dict()["n"])


def test_late_rows_are_served_and_older_ones_overwrite_nothing(tmp_path: Path, online: str) -> None:
    """`materialize-incremental` serves what arrived late; `materialize` of an older interval leaves newer values."""
    rows(tmp_path, "counts1.parquet", user_id=["a", "b", "a"], n=[1, 2, 3], seen=[DAY, DAY, DAY + HOUR])
    store = opened(tmp_path, online)
    store.apply([user, counts(tmp_path)])
    store.materialize(DAY, DAY + 2 * HOUR)
    assert values(store, "a", "?", "b", "a") == [3, None, 2, 3]
    rows(tmp_path, "counts2.parquet", user_id=["late", "a"], n=[4, 5], seen=[DAY - HOUR, DAY - HOUR])
    store.materialize_incremental(DAY + 3 * HOUR)
    assert values(store, "a", "late") == [3, 4]
    store.materialize(DAY - 2 * HOUR, DAY)
    assert values(store, "a", "b", "late") == [3, 2, 4]
    (view,) = store.list_feature_views()
    assert view.materialization_intervals == [(DAY - 2 * HOUR, DAY + 3 * HOUR)]
    store.teardown()


def test_values_expire(tmp_path: Path, online: str) -> None:
    """A value older than its view's ttl comes as not found; with `expire: false` it is served, as Feast's stores do."""
    now = datetime.now(UTC)
    rows(tmp_path, "counts1.parquet", user_id=["old", "new"], n=[1, 2], seen=[now - 3 * HOUR, now])
    store = opened(tmp_path, online)
    store.apply([user, counts(tmp_path, 2 * HOUR)])
    store.materialize(now - 4 * HOUR, now)
    answer = store.get_online_features(["counts:n"], [{"user_id": "old"}, {"user_id": "new"}])
    assert answer.to_dict()["n"] == [None, 2]
    assert list(answer.proto.results[1].statuses) == [3, 1]  # NOT_FOUND, PRESENT
    store.config.online_store.expire = False
    assert values(store, "old", "new") == [1, 2]
    store.teardown()


ALL: dict[str, tuple[Any, pa.Array]] = {
    "text": (String, pa.array(["a", None])),
    "raw": (Bytes, pa.array([b"a", b""])),
    "small": (Int32, pa.array([1, None], pa.int32())),
    "big": (Int64, pa.array([2**60, -1])),
    "half": (Float32, pa.array([0.5, None], pa.float32())),
    "real": (Float64, pa.array([None, 2.5], pa.float64())),
    "flag": (Bool, pa.array([True, False])),
    "at": (UnixTimestamp, pa.array([DAY, None], pa.timestamp("us", "UTC"))),
    "texts": (Array(String), pa.array([["a", ""], []], pa.list_(pa.string()))),
    "bigs": (Array(Int64), pa.array([None, [1, 2]], pa.list_(pa.int64()))),
    "halves": (Array(Float32), pa.array([[0.5], [1.5, 2.5]], pa.list_(pa.float32()))),
    "flags": (Array(Bool), pa.array([[True, False], [False]], pa.list_(pa.bool_()))),
}


def test_every_type_comes_back(tmp_path: Path, online: str) -> None:
    """Materialised columns of every type are read by Feast's client as the values that were in the files."""
    rows(tmp_path, "types.parquet", user_id=["a", "b"], seen=[DAY, DAY], **{name: column for name, (_, column) in ALL.items()})
    schema = [Field(name=name, dtype=dtype) for name, (dtype, _) in ALL.items()]
    view = FeatureView(name="types", entities=[user], schema=schema, source=source(tmp_path, "types.parquet"), ttl=timedelta(0))
    store = opened(tmp_path, online)
    store.apply([user, view])
    store.materialize(DAY, DAY)
    answer = store.get_online_features([f"types:{name}" for name in ALL], [{"user_id": "a"}, {"user_id": "b"}]).to_dict()
    expected = {name: column.to_pylist() for name, (_, column) in ALL.items()}
    assert {name: answer[name] for name in ALL} == expected | {"at": [DAY.replace(tzinfo=None), None]} or answer["at"][0] == DAY
    store.teardown()


def test_pushed_rows_meet_the_same_guard(tmp_path: Path, online: str) -> None:
    """A pushed row is served at once, an older one is not, and a value of another type is refused by view and feature."""
    rows(tmp_path, "counts1.parquet", user_id=["a"], n=[1], seen=[DAY])
    pushed = PushSource(name="push", batch_source=source(tmp_path, "counts*.parquet"))
    view = FeatureView(name="counts", entities=[user], schema=[Field(name="n", dtype=Int64)], source=pushed, ttl=timedelta(0))
    store = opened(tmp_path, online)
    store.apply([user, view])
    store.materialize(DAY, DAY)
    for moment, number in ((DAY + HOUR, 2), (DAY - HOUR, 3)):
        store.push("push", pd.DataFrame({"user_id": ["a"], "n": [number], "seen": [moment], "arrived": [moment]}))
        assert values(store, "a") == [2]
    wrong = pd.DataFrame({"user_id": ["a"], "n": ["many"], "seen": [DAY], "arrived": [DAY]})
    with pytest.raises((DataError, TypeError, ValueError)):
        store.write_to_online_store("counts", wrong)
    store.teardown()


def test_a_service_is_read_at_once(tmp_path: Path, online: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Views of one entity are one round trip; composite keys, entityless views and field mappings are read too."""
    seen = [DAY, DAY]
    rows(tmp_path, "counts1.parquet", user_id=["a", "b"], n=[1, 2], seen=seen)
    rows(tmp_path, "other.parquet", user_id=["a", "b"], stored=[10, 20], seen=seen)
    rows(tmp_path, "pairs.parquet", user_id=["a", "a"], shop_id=[7, 8], visits=[70, 80], seen=seen)
    rows(tmp_path, "all.parquet", total=[1, 99], seen=[DAY, DAY + HOUR])
    zero = timedelta(0)
    other = source(tmp_path, "other.parquet", field_mapping={"stored": "m"})
    views: list[Any] = [
        counts(tmp_path),
        FeatureView(name="other", entities=[user], schema=[Field(name="m", dtype=Int64)], source=other, ttl=zero),
        FeatureView(
            name="pairs",
            entities=[user, shop],
            schema=[Field(name="visits", dtype=Int64)],
            source=source(tmp_path, "pairs.parquet"),
            ttl=zero,
        ),
        FeatureView(
            name="all", entities=[], schema=[Field(name="total", dtype=Int64)], source=source(tmp_path, "all.parquet"), ttl=zero
        ),
    ]
    store = opened(tmp_path, online)
    service = FeatureService(name="everything", features=views)
    store.apply([user, shop, *views, service])
    store.materialize(DAY, DAY + HOUR)
    plugin: Any = store._get_provider().online_store
    opened_rows = plugin.rows(store.config)
    asked: list[list[str]] = []
    plain = opened_rows.rows

    def told(names: list[str], keys: list[bytes]) -> Any:
        asked.append(list(names))
        return plain(names, keys)

    monkeypatch.setattr(opened_rows, "rows", told)
    entities = [{"user_id": "a", "shop_id": 8}, {"user_id": "b", "shop_id": 8}]
    answer = store.get_online_features(service, entities).to_dict()
    assert {name: answer[name] for name in ("n", "m", "visits", "total")} == {
        "n": [1, 2],
        "m": [10, 20],
        "visits": [80, None],
        "total": [99, 99],
    }
    assert sorted(map(sorted, asked)) == [["all"], ["counts", "other"], ["pairs"]]
    store.teardown()


def test_what_is_more_than_columns_goes_through_feasts_engine(tmp_path: Path) -> None:
    """A view with a type that only Feast reads is materialised value by value and read back."""
    rows(tmp_path, "docs.parquet", user_id=["a", "b"], doc=['{"x": 1}', None], seen=[DAY, DAY])
    schema = [Field(name="doc", dtype=Json)]
    view = FeatureView(name="docs", entities=[user], schema=schema, source=source(tmp_path, "docs.parquet"), ttl=timedelta(0))
    store = opened(tmp_path, SQLITE)
    store.apply([user, view])
    store.materialize(DAY, DAY + HOUR)
    answer = store.get_online_features(["docs:doc"], [{"user_id": "a"}, {"user_id": "b"}]).to_dict()
    assert [str(value).replace("'", '"') if value else None for value in answer["doc"]] == ['{"x": 1}', None]


def test_a_broken_file_stops_feasts_command(tmp_path: Path) -> None:
    """`feast materialize` over a damaged file fails with its name, and the registry does not say it was done."""
    rows(tmp_path, "counts1.parquet", user_id=["a"], n=[1], seen=[DAY])
    store = opened(tmp_path, SQLITE)
    store.apply([user, counts(tmp_path)])
    path = tmp_path / "rows" / "counts1.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"feature view 'counts', file .*counts1\.parquet: expected a whole Parquet file"):
        store.materialize(DAY, DAY + HOUR)
    (view,) = store.list_feature_views()
    assert view.materialization_intervals == []


def test_a_read_waits_for_no_writer(tmp_path: Path) -> None:
    """Feast's client answers while another process is in the middle of a write, its first read included."""
    rows(tmp_path, "counts1.parquet", user_id=["a"], n=[1], seen=[DAY])
    store = opened(tmp_path, SQLITE)
    store.apply([user, counts(tmp_path)])
    store.materialize(DAY, DAY)
    writer = sqlite3.connect(tmp_path / "online.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    for client in (store, FeatureStore(repo_path=str(tmp_path))):
        assert values(client, "a") == [1]
    writer.execute("ROLLBACK")
    writer.close()


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"twice": rows["n"] * 2})


def test_a_view_on_demand_is_read_where_it_was_written(tmp_path: Path, online: str) -> None:
    """A view computed when it is written, not when it is read, has no ttl and is read back."""
    rows(tmp_path, "counts1.parquet", user_id=["a"], n=[1], seen=[DAY])
    view = counts(tmp_path)
    demanded = OnDemandFeatureView(
        name="doubled",
        sources=[view],
        entities=[user],
        schema=[Field(name="twice", dtype=Int64)],
        udf=doubled,  # type: ignore[arg-type]  # it is one
        udf_string="doubled",
        mode="pandas",
        write_to_online_store=True,
    )
    store = opened(tmp_path, online)
    store.apply([user, view, demanded])
    store.write_to_online_store("doubled", pd.DataFrame({"user_id": ["a"], "n": [4], "event_timestamp": [DAY]}))
    answer = store.get_online_features(["doubled:twice"], [{"user_id": "a"}, {"user_id": "?"}]).to_dict()
    assert answer["twice"] == [8, None]
    store.teardown()


def test_a_password_may_look_like_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Feast has filled in from the environment is not filled in again, though it holds a `$NAME` that is set."""
    monkeypatch.setenv("RATOON_TEST_NAME", "wrong")
    monkeypatch.setenv("RATOON_TEST_REDIS", "redis://:pa$RATOON_TEST_NAME@127.0.0.1:1/0")
    store = opened(tmp_path, REDIS.format(url="${RATOON_TEST_REDIS}"))
    plugin: Any = store._get_provider().online_store
    mine = plugin.rows(store.config)
    theirs: Any = Place("redis", "${RATOON_TEST_REDIS}", "shop").open()
    for rows_of in (mine, theirs):
        assert rows_of._client.connection_pool.connection_kwargs["password"] == "pa$RATOON_TEST_NAME"
        rows_of.close()


def test_a_dropped_view_takes_its_rows_along(tmp_path: Path, online: str) -> None:
    """A view that is deleted and applied again is empty."""
    rows(tmp_path, "counts1.parquet", user_id=["a"], n=[1], seen=[DAY])
    store = opened(tmp_path, online)
    store.apply([user, counts(tmp_path)])
    store.materialize(DAY, DAY)
    assert values(store, "a") == [1]
    store.apply([user], objects_to_delete=[counts(tmp_path)], partial=False)
    store.apply([user, counts(tmp_path)])
    assert values(store, "a") == [None]
    store.teardown()
