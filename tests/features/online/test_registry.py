"""Any number of writers of Feast's registry, and none destroys what another wrote."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from feast import Entity, FeatureView, Field, FileSource
from feast.infra.registry.registry import Registry
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import RegistryConfig
from feast.types import Int64, String
from feast.value_type import ValueType
from hypothesis import given
from hypothesis import strategies as st

from ratoon.features.online.registry import FencedRegistryStore, merge
from tests.features.online.loops import looping
from tests.flow.children import ended, started

DAY = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def registry(path: Path) -> Registry:
    """A registry as one process has it."""
    name = "ratoon.features.online.registry.FencedRegistryStore"
    return Registry("shop", RegistryConfig(registry_store_type=name, path=str(path)), None)


def view(name: str, *more: str) -> FeatureView:
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    source = FileSource(name=f"{name}_source", path=f"{name}.parquet", timestamp_field="t")
    numbers = [Field(name=feature, dtype=Int64) for feature in ("n", *more)]
    return FeatureView(name=name, entities=[user], schema=[Field(name="user_id", dtype=String), *numbers], source=source)


def names(path: Path) -> set[str]:
    return {one.name for one in registry(path).list_feature_views("shop")}


def intervals(path: Path, name: str) -> list[tuple[datetime, datetime]]:
    return list(registry(path).get_feature_view(name, "shop").materialization_intervals)


def test_two_processes_keep_each_others_objects(tmp_path: Path) -> None:
    """Two registries, opened together, add different views and change the same one: all of it is there."""
    path = tmp_path / "registry.db"
    registry(path).apply_feature_view(view("both"), "shop")
    first, second = registry(path), registry(path)
    first.apply_feature_view(view("one"), "shop")
    second.apply_feature_view(view("two"), "shop")
    first.apply_materialization(first.get_feature_view("both", "shop"), "shop", DAY, DAY + HOUR)
    second.apply_materialization(second.get_feature_view("both", "shop"), "shop", DAY + 3 * HOUR, DAY + 4 * HOUR)
    assert names(path) == {"both", "one", "two"}
    assert intervals(path, "both") == [(DAY, DAY + HOUR), (DAY + 3 * HOUR, DAY + 4 * HOUR)]


def test_noting_a_materialisation_takes_nothing_back(tmp_path: Path) -> None:
    """A process that read the registry before another applied a view anew, and notes its run after, changes no definition."""
    path = tmp_path / "registry.db"
    registry(path).apply_feature_view(view("v"), "shop")
    applying, running = registry(path), registry(path)
    running.apply_materialization(running.get_feature_view("v", "shop"), "shop", DAY, DAY + HOUR)
    wider = view("v", "more")
    wider.tags = {"who": "applying"}
    applying.apply_feature_view(wider, "shop")
    seen = running.get_feature_view("v", "shop", allow_cache=True)
    running.apply_materialization(seen, "shop", DAY + 2 * HOUR, DAY + 3 * HOUR)
    stored = registry(path).get_feature_view("v", "shop")
    assert ([one.name for one in stored.features], stored.tags) == (["n", "more"], {"who": "applying"})
    assert stored.materialization_intervals == [(DAY, DAY + HOUR), (DAY + 2 * HOUR, DAY + 3 * HOUR)]


def test_noting_a_materialisation_brings_nothing_back(tmp_path: Path) -> None:
    """A view that was deleted while another process materialised it stays deleted; applied again, it begins without intervals."""
    path = tmp_path / "registry.db"
    for name in ("gone", "again"):
        one = registry(path)
        one.apply_feature_view(view(name), "shop")
        one.apply_materialization(one.get_feature_view(name, "shop"), "shop", DAY, DAY + HOUR)
    for name in ("gone", "again"):
        applied = view(name)
        applied.tags = {"applied": "after"}
        registry(path).apply_feature_view(applied, "shop")
    deleting, running = registry(path), registry(path)
    for name in ("gone", "again"):
        deleting.delete_feature_view(name, "shop")
    deleting.apply_feature_view(view("again"), "shop")
    for name in ("gone", "again"):
        seen = running.get_feature_view(name, "shop", allow_cache=True)
        running.apply_materialization(seen, "shop", DAY + 2 * HOUR, DAY + 3 * HOUR)
    assert names(path) == {"again"}
    assert intervals(path, "again") == [(DAY + 2 * HOUR, DAY + 3 * HOUR)]


def test_what_one_deletes_stays_deleted(tmp_path: Path) -> None:
    """A view deleted by one process does not come back with what another, who still has it in memory, writes."""
    path = tmp_path / "registry.db"
    for name in ("gone", "kept"):
        registry(path).apply_feature_view(view(name), "shop")
    first, second = registry(path), registry(path)
    first.delete_feature_view("gone", "shop")
    second.apply_feature_view(view("new"), "shop")
    assert names(path) == {"kept", "new"}


def test_intervals_that_touch_become_one(tmp_path: Path) -> None:
    """A thousand hourly runs leave one interval, and a hole leaves two."""
    path = tmp_path / "registry.db"
    mine = registry(path)
    mine.apply_feature_view(view("v"), "shop")
    for hour in (*range(20), *range(30, 40)):
        mine.apply_materialization(mine.get_feature_view("v", "shop"), "shop", DAY + hour * HOUR, DAY + (hour + 1) * HOUR)
    assert intervals(path, "v") == [(DAY, DAY + 20 * HOUR), (DAY + 30 * HOUR, DAY + 40 * HOUR)]
    mine.apply_materialization(mine.get_feature_view("v", "shop"), "shop", DAY + 10 * HOUR, DAY + 35 * HOUR)
    assert intervals(path, "v") == [(DAY, DAY + 40 * HOUR)]


def test_a_missing_registry_is_feasts_error(tmp_path: Path) -> None:
    """Feast expects FileNotFoundError before the first write, and none after a teardown."""
    store = FencedRegistryStore(RegistryConfig(path="deep/registry.db"), tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r'Registry not found at path ".*/deep/registry\.db"\. Have you run "feast apply"\?'
    ):
        store.get_registry_proto()
    store.update_registry_proto(RegistryProto())
    assert store.get_registry_proto().version_id
    store.teardown()
    store.teardown()
    assert not (tmp_path / "deep" / "registry.db").exists()


Objects = dict[str, tuple[str, int]]


def proto(objects: Objects) -> RegistryProto:
    """A registry of views, each with a description and a number that is noted about it."""
    made = RegistryProto()
    for name, (description, noted) in objects.items():
        one = made.feature_views.add()
        one.spec.name, one.spec.description, one.meta.current_version_number = name, description, noted
    return made


def content(registry: RegistryProto) -> Objects:
    return {one.spec.name: (one.spec.description, one.meta.current_version_number) for one in registry.feature_views}


def expected(before: tuple[str, int] | None, here: tuple[str, int] | None, there: tuple[str, int] | None) -> object:
    if here == before:
        return there
    if here is None or before is None:
        return here
    if there is None:
        return here if here[0] != before[0] else None
    return tuple(ours if ours != old else theirs for old, ours, theirs in zip(before, here, there, strict=True))


OBJECTS = st.dictionaries(st.sampled_from("abc"), st.tuples(st.sampled_from("123"), st.integers(0, 2)))


@given(OBJECTS, OBJECTS, OBJECTS)
def test_a_merge_keeps_both_sides_changes(base: Objects, mine: Objects, theirs: Objects) -> None:
    """What only one side changed, of a definition or of what is noted about it, is as that side has it, deletions too.

    What both changed is mine; what they deleted comes back only if I defined it anew.
    """
    merged = content(merge(proto(base), proto(mine), proto(theirs)))
    assert merged == {
        name: one for name in "abc" if (one := expected(*(side.get(name) for side in (base, mine, theirs)))) is not None
    }


YAML = """
project: shop
provider: local
registry: {registry_store_type: ratoon.features.online.registry.FencedRegistryStore, path: registry.db}
online_store: {type: ratoon.features.online.feast_stores.PackedSqliteOnlineStore, path: online.db, expire: false}
batch_engine: {type: ratoon.features.online.engine.PackedComputeEngine}
entity_key_serialization_version: 3
"""


def test_two_schedulers_at_once_destroy_nothing(tmp_path: Path) -> None:
    """Two processes that loop over materialize-incremental, sharing one view, keep every view and all that was done."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from feast import FeatureStore

    (tmp_path / "feature_store.yaml").write_text(YAML)
    times = pa.array([DAY + HOUR * at for at in range(40)], pa.timestamp("us", "UTC"))
    rows = pa.table({"user_id": ["u"] * 40, "n": pa.array(range(40), pa.int64()), "t": times})
    store = FeatureStore(repo_path=str(tmp_path))
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    views = []
    for name in ("a", "b", "shared"):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
        source = FileSource(name=f"{name}_source", path=str(tmp_path / f"{name}.parquet"), timestamp_field="t")
        schema = [Field(name=f"{name}_n", dtype=Int64)]
        pq.write_table(rows.rename_columns(["user_id", f"{name}_n", "t"]), tmp_path / f"{name}.parquet")
        views.append(FeatureView(name=name, entities=[user], schema=schema, source=source, ttl=timedelta(0)))
    store.apply([user, *views])
    store.materialize(DAY, DAY + HOUR)
    loops = [started(looping, tmp_path, *each) for each in ((("a", "shared"), 1), (("b", "shared"), 2))]
    assert [ended(loop) for loop in loops] == [0, 0]
    after = FeatureStore(repo_path=str(tmp_path))
    ends = {one.name: [end for _, end in one.materialization_intervals] for one in after.list_feature_views()}
    assert ends == {"a": [DAY + 12 * HOUR], "b": [DAY + 14 * HOUR], "shared": [DAY + 14 * HOUR]}
    answer = after.get_online_features([f"{name}:{name}_n" for name in ("a", "b", "shared")], [{"user_id": "u"}]).to_dict()
    assert [answer[f"{name}_n"] for name in ("a", "b", "shared")] == [[12], [14], [14]]
