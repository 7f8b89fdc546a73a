"""What Feast's own SQLite online store holds becomes packed rows, value for value."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.types import Array, Int64, String
from feast.value_type import ValueType

from ratoon.domain.errors import DataError, StoreError, UsageError
from ratoon.features.online import OnlineUsers, migration
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import Layout
from ratoon.features.online.migration import Migrated, migrate
from ratoon.features.online.sqlite import SqliteRows
from ratoon.features.online.store import Wanted, read
from ratoon.features.repository import FeastRepository
from ratoon.features.values import encode, entity_key
from ratoon.features.views import View, ViewField
from tests.fakes.events import batch, event
from tests.features.worlds import repo_copy, world

VIEW = View(
    "shop", "v", "user", "foreign", "rows/*.parquet", "seen", (ViewField("n", "INT64"), ViewField("items", "STRING_LIST"))
)
MOMENT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
MICROS = int(MOMENT.timestamp()) * 1_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteRows]:
    opened = SqliteRows(tmp_path / "ours.db", "shop")
    yield opened
    opened.close()


def numbers(store: SqliteRows, *users: str) -> list[dict[str, object]]:
    (found,) = read(store, [Wanted("v", Layout.of(VIEW.fields))], text_keys("user_id", users), 0)
    return [row | {"t": time} for row, time in zip(found.table().to_pylist(), found.records["event_ts"].tolist(), strict=True)]


def feasts(path: Path, rows: list[tuple[str, int, datetime]]) -> None:
    """A file as Feast itself writes it."""
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    fields = [Field(name="n", dtype=Int64), Field(name="items", dtype=Array(String)), Field(name="user_id", dtype=String)]
    view = FeatureView(name="v", entities=[user], schema=fields, source=FileSource(path="x.parquet", timestamp_field="seen"))
    config = RepoConfig(
        project="shop",
        provider="local",
        registry=str(path.parent / "registry.db"),
        online_store=SqliteOnlineStoreConfig(path=str(path)),
        entity_key_serialization_version=3,
    )
    config.repo_path = path.parent
    store = FeatureStore(config=config)
    plugin = store._get_provider().online_store
    plugin.update(config, [], [view], [], [], True)
    data: list[Any] = [
        (
            EntityKey(join_keys=["user_id"], entity_values=[ValueProto(string_val=who)]),
            {"n": ValueProto(int64_val=number), "items": ValueProto()},
            moment,
            None,
        )
        for who, number, moment in rows
    ]
    plugin.online_write_batch(config, view, data, None)


def table(path: Path, *cells: tuple[str, str, object, object], name: str = "shop_v") -> None:
    """A table like Feast's, cell by cell."""
    connection = sqlite3.connect(path)
    connection.execute(f'CREATE TABLE "{name}" (entity_key BLOB, feature_name TEXT, value BLOB, event_ts, created_ts)')
    rows = [(entity_key("user_id", user), feature, value, time, None) for user, feature, value, time in cells]
    connection.executemany(f'INSERT INTO "{name}" VALUES (?, ?, ?, ?, ?)', rows)
    connection.commit()
    connection.close()


def test_feasts_own_file_is_read(store: SqliteRows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Feast wrote is there with values and times, in several chunks; migrating again changes nothing; Feast's rows stay."""
    monkeypatch.setattr(migration, "ENTITIES_AT_ONCE", 2)
    feasts(tmp_path / "feast.db", [(f"u{at}", at, MOMENT) for at in range(5)])
    told: list[tuple[str, int]] = []
    for _ in range(2):
        done = migrate(tmp_path / "feast.db", [VIEW], store, told=lambda *progress: told.append(progress))
        assert done == [Migrated("v", 5, 10, False)]
        assert numbers(store, "u3", "?") == [{"n": 3, "items": None, "t": MICROS}, {"n": None, "items": None, "t": 0}]
    assert told[:3] == [("v", 2), ("v", 4), ("v", 5)]


def test_newer_rows_stay(store: SqliteRows, tmp_path: Path) -> None:
    """What is online already and newer is not replaced."""
    feasts(tmp_path / "old.db", [("u", 1, MOMENT)])
    feasts(tmp_path / "new.db", [("u", 2, MOMENT + timedelta(seconds=1))])
    for name in ("new.db", "old.db"):
        migrate(tmp_path / name, [VIEW], store)
    assert [row["n"] for row in numbers(store, "u")] == [2]


def test_a_file_may_hold_both(tmp_path: Path) -> None:
    """Feast's tables and packed rows live in one file; --drop removes the former once they are copied."""
    feasts(tmp_path / "online.db", [("u", 1, MOMENT)])
    store = SqliteRows(tmp_path / "online.db", "shop")
    assert migrate(tmp_path / "online.db", [VIEW], store, drop=True) == [Migrated("v", 1, 2, True)]
    assert [row["n"] for row in numbers(store, "u")] == [1]
    assert migrate(tmp_path / "online.db", [VIEW], store) == []
    store.close()


def test_an_entity_takes_the_newest_time_of_its_features(store: SqliteRows, tmp_path: Path) -> None:
    """Times are seconds or texts; features a view has no more are left out, and values of another type are missing."""
    text = "2026-03-01 12:00:05.000001"
    table(
        tmp_path / "feast.db",
        ("u", "n", encode(4, "INT64"), 5),
        ("u", "items", encode(["a"], "STRING_LIST"), text),
        ("u", "gone", encode("x", "STRING"), 1),
        ("w", "n", encode("four", "STRING"), 7),
    )
    assert migrate(tmp_path / "feast.db", [VIEW], store) == [Migrated("v", 2, 4, False)]
    assert numbers(store, "u", "w") == [
        {"n": 4, "items": ["a"], "t": MICROS + 1},
        {"n": None, "items": None, "t": 7_000_000},
    ]


def test_a_file_that_is_none_of_feasts_is_named(store: SqliteRows, tmp_path: Path) -> None:
    """A missing file, and one that is no database, are refused by path."""
    with pytest.raises(
        StoreError, match=r"gone\.db: expected Feast's SQLite online store, found no such file\. Name it with --from\."
    ):
        migrate(tmp_path / "gone.db", [VIEW], store)
    (tmp_path / "text.db").write_text("no database at all " * 60)
    with pytest.raises(
        StoreError, match=r"text\.db: expected Feast's SQLite online store, found file is not a database\. Name anot"
    ):
        migrate(tmp_path / "text.db", [VIEW], store)


@pytest.mark.parametrize(
    ("value", "time", "message"),
    [
        (b"\xff\xff\xff", 1, r"^feature 'n' of feature view 'v': expected a value as Feast serialises it, found 3 other bytes\."),
        (b"", "soon", r"^times of feature view 'v': expected seconds since 1970, or a date, found 'soon'\."),
    ],
)
def test_a_damaged_value_is_named(store: SqliteRows, tmp_path: Path, value: bytes, time: object, message: str) -> None:
    """A value or a time that cannot be read stops the migration by view and feature; nothing of that chunk is written."""
    table(tmp_path / "feast.db", ("u", "n", value, time))
    with pytest.raises(DataError, match=message):
        migrate(tmp_path / "feast.db", [VIEW], store)
    assert [row["n"] for row in numbers(store, "u")] == [None]


PACKED = "type: ratoon.features.online.feast_stores.PackedSqliteOnlineStore\n  path: ../var/features/online.db"


def test_with_redis_the_file_has_to_be_named(tmp_path: Path) -> None:
    """A feature_store.yaml that names no file leaves open which one to migrate from."""
    redis = "type: ratoon.features.online.feast_stores.PackedRedisOnlineStore\n  connection_string: localhost:6379"
    there = world(tmp_path, repo=repo_copy(tmp_path / "redis", {"feature_store.yaml": [(PACKED, redis)]}))
    with pytest.raises(UsageError, match=r"^--from: expected Feast's SQLite file, found nothing\. feature_store\.yaml names"):
        there.features.migrate_online(None, drop=False, told=lambda _view, _count: None)
    there.log.close()


def test_a_store_that_is_not_packed_is_refused(tmp_path: Path) -> None:
    """Feast's own online store in feature_store.yaml is refused by its line, with the way over."""
    repo = repo_copy(tmp_path, {"feature_store.yaml": [(PACKED, "type: sqlite\n  path: online.db")]})
    message = r"^online_store in .*feature_store\.yaml: expected a type of .*PackedSqliteOnlineStore, .* `ratoon online migrate`"
    with pytest.raises(UsageError, match=message):
        _ = FeastRepository(repo, tmp_path / "home").place


def test_a_home_is_migrated_by_its_own_file(tmp_path: Path) -> None:
    """Without a name, the file that feature_store.yaml names is migrated: Feast's tables may be left in it."""
    there = world(tmp_path, batch(event("a"))).ingest()
    table(tmp_path / "features" / "online.db", ("u1", "user_events", encode(7, "INT64"), 5), name="ratoon_user_activity")
    done = there.features.migrate_online(None, drop=True, told=lambda _view, _count: None)
    assert done == [Migrated("user_activity", 1, 1, True)]
    values = OnlineUsers(tmp_path / "features", there.log).user("u1", there.features.schema())
    assert values is not None  # 1970's row has outlived its ttl, and is there
    assert "recent_items" not in values
    there.log.close()
