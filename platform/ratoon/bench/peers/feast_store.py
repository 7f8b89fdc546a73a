"""One piece of work through Feast's own entry points, with Feast's stores or ours under them; a script, measured alone.

Only feature_store.yaml's lines differ between the sides. Prints one JSON object: wall and CPU seconds of the work alone, the
process's peak RSS right after it, rows, and a digest of the result that does not depend on row order.
"""

import argparse
import hashlib
import json
import resource
import sqlite3
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import redis
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import _mmh3
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Float64, Int64, PrimitiveFeastType, String

Answer = TypeVar("Answer")

TYPES: dict[str, PrimitiveFeastType] = {"Float64": Float64, "Int64": Int64, "String": String}
OFFLINE: dict[str, dict[str, object]] = {
    "feast": {"type": "duckdb"},
    "duckdb": {"type": "ratoon.features.offline.AsofOfflineStore", "engine": "duckdb"},
    "polars": {"type": "ratoon.features.offline.AsofOfflineStore", "engine": "polars"},
}
PACKED = "ratoon.features.online.feast_stores.Packed{}OnlineStore"
ENGINE = "ratoon.features.online.engine.PackedComputeEngine"
SAMPLE = 100
"""Entities whose stored values go into the digest of a materialisation."""


def main() -> None:
    """Do what the command line says and print what it took."""
    asked = argparse.ArgumentParser()
    asked.add_argument("work", choices=("join", "materialize", "read"))
    asked.add_argument("world", type=lambda given: Path(given).resolve())
    asked.add_argument("scratch", type=lambda given: Path(given).resolve(), help="an empty folder")
    asked.add_argument("--side", choices=("feast", "duckdb", "polars", "ours"), required=True)
    asked.add_argument("--address", default="", help="HOST:PORT of a Redis-protocol server; an SQLite file without one")
    asked.add_argument("--repeats", type=int, default=200, help="reads of one entity; a tenth as many of 500")
    asked.add_argument("--first", type=int, default=0, help="join only so many entity rows")
    given = asked.parse_args()
    store = opened(given.world, given.scratch, given.side, given.address)
    done = {"join": join, "materialize": materialize, "read": read}[given.work](store, given)
    sys.stdout.write("\n" + json.dumps(done) + "\n")  # Feast prints as it goes; the last line is ours


def opened(world: Path, scratch: Path, side: str, address: str) -> FeatureStore:
    """A feature store over a world, applied."""
    path = str(scratch / "online.db")
    online: dict[str, object]
    if side == "ours":
        online = {"type": PACKED.format("Redis" if address else "Sqlite")}
        online |= {"connection_string": f"redis://{address}/0"} if address else {"path": path}
    else:
        online = {"type": "redis", "connection_string": address} if address else {"type": "sqlite", "path": path}
    raw: dict[str, Any] = {
        "project": "bench",
        "provider": "local",
        "registry": str(scratch / "registry.db"),
        "offline_store": OFFLINE.get(side, OFFLINE["feast"]),
        "online_store": online,
        "entity_key_serialization_version": 3,
    }
    if side == "ours":
        raw["batch_engine"] = {"type": ENGINE}
    store = FeatureStore(config=RepoConfig(repo_path=scratch, **raw))
    known = {name: Entity(name=name, join_keys=[f"{name}_id"], value_type=ValueType.STRING) for name in ("user", "item")}
    views = [_view(view, world, known) for view in _views(world)]
    store.apply([*known.values(), *views])
    return store


def _view(view: dict[str, Any], world: Path, known: dict[str, Entity]) -> FeatureView:
    return FeatureView(
        name=view["name"],
        entities=[known[view["entity"]]],
        ttl=timedelta(days=view["ttl_days"]),
        schema=[Field(name=name, dtype=TYPES[kind]) for name, kind in [(f"{view['entity']}_id", "String"), *view["fields"]]],
        source=FileSource(
            name=view["name"],
            path=str(world / view["file"]),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        ),
    )


def references(store: FeatureStore) -> list[str]:
    """Every feature of every view, in one order."""
    views = sorted(store.list_feature_views(), key=lambda view: view.name)
    return [f"{view.name}:{feature.name}" for view in views for feature in view.features]


def measured(work: Callable[[], Answer]) -> tuple[Answer, dict[str, float]]:
    """What the work gave, and what it took."""
    begun, cpu = time.perf_counter(), time.process_time()
    answer = work()
    took = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    return answer, took | {"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def join(store: FeatureStore, given: argparse.Namespace) -> dict[str, object]:
    """Training rows for all entity rows, as one Arrow table."""
    rows = pq.read_table(given.world / "entities.parquet").slice(0, given.first or None).to_pandas()
    wanted = references(store)
    store.get_historical_features(rows[:10].copy(), wanted).to_arrow()  # whatever is loaded once is loaded now
    found, took = measured(lambda: store.get_historical_features(rows, wanted).to_arrow())
    return {**took, "rows": found.num_rows, "digest": digest(found, [name.partition(":")[2] for name in wanted])}


def digest(found: pa.Table, names: list[str]) -> str:
    """A hash of rows in order of their number and columns in the order of `names`."""
    order = pc.sort_indices(found.column("row"))
    seen = hashlib.sha256(pc.take(found.column("row"), order).to_numpy().astype(np.int64).tobytes())
    for name in names:
        column = pc.take(found.column(name), order).combine_chunks()
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            seen.update(np.nan_to_num(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), nan=-1e300).tobytes())
        else:
            seen.update("\n".join(value or "" for value in column.to_pylist()).encode())
    return seen.hexdigest()


def materialize(store: FeatureStore, given: argparse.Namespace) -> dict[str, object]:
    """The whole of every view into the online store."""
    rows = sum(pq.read_metadata(given.world / view["file"]).num_rows for view in _views(given.world))
    store.materialize(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 2, tzinfo=UTC))  # nothing: loads what is loaded once
    _, took = measured(lambda: store.materialize(datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))
    people = [f"u{number}" for number in range(SAMPLE)]
    return {**took, "rows": rows, "digest": _digest_of(_through_feast(store, references(store), people))}


def read(store: FeatureStore, given: argparse.Namespace) -> dict[str, object]:
    """All features of 1 and of 500 users, and the same bytes by the bare client, in turns: median seconds of each."""
    store.materialize(datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    total = pq.read_metadata(given.world / "profile0.parquet").num_rows
    views = [view["name"] for view in _views(given.world)]
    ask = _ours(store, given) if given.side == "ours" else partial(_through_feast, store, references(store))
    bare = (_bare_redis if given.address else _bare_sqlite)(store, given, views)
    random, done = np.random.default_rng(1), dict[str, object]()
    for size, repeats in ((1, given.repeats), (500, max(5, given.repeats // 10))):
        took: dict[str, list[float]] = {"ask": [], "bare": []}
        for _ in range(repeats):
            people = [f"u{number}" for number in random.choice(total, min(size, total), replace=False)]
            keys = [_key(one) for one in people]
            for name, work in (("ask", partial(ask, people)), ("bare", partial(bare, keys))):
                begun = time.perf_counter()
                work()
                took[name].append(time.perf_counter() - begun)
        done[f"ask_{size}"], done[f"bare_{size}"] = (float(np.median(took[name])) for name in ("ask", "bare"))
    people = [f"u{number}" for number in range(min(500, total))]
    answer = _as_lists(store, given, people) if given.side == "ours" else ask(people)
    found = bare([_key(one) for one in people])
    assert None not in found and [] not in found, "the bare read found nothing"  # noqa: PT018 - a script, no test
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**done, "rss_mb": rss, "rows": total, "digest": _digest_of(answer)}


def _views(world: Path) -> list[dict[str, Any]]:
    views: list[dict[str, Any]] = json.loads((world / "views.json").read_text())
    return views


def _key(person: str) -> bytes:
    key = EntityKey(join_keys=["user_id"], entity_values=[Value(string_val=person)])
    return serialize_entity_key(key, entity_key_serialization_version=3)


def _through_feast(store: FeatureStore, wanted: list[str], people: list[str]) -> dict[str, Any]:
    return store.get_online_features(wanted, [{"user_id": person} for person in people]).to_dict()


def _digest_of(answer: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()


def _wanted(given: argparse.Namespace) -> list[Any]:
    from ratoon.features.online.layout import Layout
    from ratoon.features.online.store import Wanted
    from ratoon.features.views import ViewField

    dtypes = {"Float64": "DOUBLE", "Int64": "INT64", "String": "STRING"}
    fields = {view["name"]: [ViewField(name, dtypes[kind]) for name, kind in view["fields"]] for view in _views(given.world)}
    return [Wanted(name, Layout.of(of)) for name, of in fields.items()]


def _ours(store: FeatureStore, given: argparse.Namespace) -> Callable[[list[str]], Any]:
    """Ratoon's read as its server does it: NumPy records, without Feast."""
    from ratoon.features.online.keys import text_keys
    from ratoon.features.online.opening import Place
    from ratoon.features.online.store import read as blocks

    place = Place("redis", f"redis://{given.address}/0", store.project) if given.address else None
    rows = (place or Place("sqlite", str(given.scratch / "online.db"), store.project)).open()
    wanted, now = _wanted(given), 1_800_000_000_000_000
    return lambda people: blocks(rows, wanted, text_keys("user_id", people), now)


def _as_lists(store: FeatureStore, given: argparse.Namespace, people: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"user_id": people}
    for wanted, block in zip(_wanted(given), _ours(store, given)(people), strict=True):
        found |= {name: block.arrow(name).to_pylist() for name, _ in wanted.layout.fields}
    return found


def _bare_redis(store: FeatureStore, given: argparse.Namespace, views: list[str]) -> Callable[[list[bytes]], list[Any]]:
    client = redis.Redis.from_url(f"redis://{given.address}/0", protocol=2)
    ours, project = given.side == "ours", store.project.encode()
    hashed = [_mmh3(reference) for reference in references(store)] + [f"_ts:{view}".encode() for view in views]
    fields: list[Any] = list(views) if ours else hashed

    def name(key: bytes) -> bytes:
        return b"ratoon:" + project + b":e:" + key if ours else key + project

    def ask(keys: list[bytes]) -> list[Any]:
        if len(keys) == 1:
            return [client.hmget(name(keys[0]), fields)]
        pipeline = client.pipeline(transaction=False)
        for key in keys:
            pipeline.hmget(name(key), fields)
        return [row[0] for row in pipeline.execute()]

    return ask


def _bare_sqlite(store: FeatureStore, given: argparse.Namespace, views: list[str]) -> Callable[[list[bytes]], list[Any]]:
    connection = sqlite3.connect(given.scratch / "online.db")
    table, columns = ("{}/{}", "row") if given.side == "ours" else ("{}_{}", "feature_name, value, event_ts")

    def ask(keys: list[bytes]) -> list[Any]:
        marks = ",".join("?" * len(keys))
        statements = [
            f'SELECT entity_key, {columns} FROM "{table.format(store.project, view)}" WHERE entity_key IN ({marks})'
            for view in views
        ]
        return [connection.execute(statement, keys).fetchall() for statement in statements]

    return ask


if __name__ == "__main__":
    main()
