"""A Feast repository with one view of each kind, under this store and under Feast's own DuckDB store."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Int64, String
from hypothesis import strategies as st

from tests.features.offline.reference import Asked, Row, joined
from tests.features.offline.worlds import SECOND, START, keys_of, moments, times, view_table

STAMP = ("us", "UTC")
VIEWS = ("single", "pair", "everyone", "renamed")
"""One key and a ttl of 2 s; two keys; no key; other names in the file than in the view, and no created column."""

TTL = {"single": 2 * SECOND, "pair": 0, "everyone": 3 * SECOND, "renamed": 0, "other": 2 * SECOND}
WIDTH = {"single": 1, "pair": 2, "everyone": 0, "renamed": 1, "other": 1}
REFERENCES = ["single:single_a", "single:single_b", "pair:pair_a", "pair:pair_b", "everyone:everyone_a", "renamed:renamed_a"]


@dataclass(frozen=True)
class Request:
    """Rows of each view, and entity rows: keys (k0, k1), a second user, a time."""

    rows: dict[str, tuple[Row, ...]]
    asked: tuple[Asked, ...]

    def frame(self) -> pa.Table:
        columns: dict[str, Any] = {
            f"k{place}": pa.array([row.key[place] for row in self.asked], pa.string()) for place in range(2)
        }
        columns["user2"] = pa.array([row.key[2] for row in self.asked], pa.string())
        columns["event_timestamp"] = times([row.at for row in self.asked], STAMP)
        columns["row"] = pa.array(range(len(self.asked)), pa.int64())
        return pa.table(columns)

    def expected(self, view: str, *, arrived: bool) -> list[tuple[object, ...] | None]:
        """What the definition gives for each entity row; `other` is `single` joined by the second user."""
        found = []
        for row in self.asked:
            key = row.key[2:] if view == "other" else row.key[: WIDTH[view]]
            rows, one = self.rows["single" if view == "other" else view], Asked(key, row.at, row.at)
            found.append(joined(rows, one, TTL[view], stamped=view != "renamed", arrived=arrived))
        return found  # type: ignore[return-value]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Worlds in which no two rows of a view have key, time and arrival in common, since Feast's store then takes any."""
    values = st.tuples(st.none() | st.integers(0, 99), st.none() | st.sampled_from(["x", "y"]))
    rows = {}
    for view in VIEWS:
        one = st.builds(Row, keys_of(WIDTH[view], whole=False), moments, moments, values)
        same = (lambda row: (row.key, row.since)) if view == "renamed" else (lambda row: (row.key, row.since, row.created))
        rows[view] = tuple(draw(st.lists(one, min_size=1, max_size=5, unique_by=same)))
    asked = draw(st.lists(st.builds(Asked, keys_of(3, whole=False), moments, st.none()), min_size=1, max_size=6))
    return Request(rows, tuple(asked))


class Stores:
    """Both stores over the same files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.views = folder, _views(folder)
        self.write(Request({view: (Row(("a",) * WIDTH[view], START, START, (1, "x")),) for view in VIEWS}, ()))
        self.ours = {engine: self._store(engine) for engine in ("polars", "duckdb")}
        self.feast = self._store(None)
        users, items = (Entity(name=name, join_keys=[name], value_type=ValueType.STRING) for name in ("k0", "k1"))
        # Feast cannot compare two projections of one view when only one of them has another name.
        one, two = self.views[0].with_name("first"), self.views[0].with_name("other").with_join_key_map({"k0": "user2"})
        service = FeatureService(name="twice", features=[one, two])
        for store in (*self.ours.values(), self.feast):
            store.apply([users, items, *self.views, service])

    def write(self, request: Request) -> None:
        for view, rows in request.rows.items():
            table = view_table(rows, WIDTH[view], False, STAMP)
            names = {"number": f"{view}_a", "text_y": f"{view}_b"}
            if view == "renamed":
                names = {"k0": "who", "number": "stored", "text_y": "rest"}
                table = table.drop_columns(["created"])
            table = table.rename_columns([names.get(name, name) for name in table.column_names])
            pq.write_table(table, self.folder / f"{view}.parquet")

    def _store(self, engine: str | None) -> FeatureStore:
        offline = {"type": "ratoon.features.offline.AsofOfflineStore", "engine": engine} if engine else {"type": "duckdb"}
        state = self.folder / (engine or "feast")
        state.mkdir()
        config = RepoConfig(
            project="joins",
            provider="local",
            registry=str(state / "registry.db"),
            offline_store=offline,
            online_store={"type": "sqlite", "path": str(state / "online.db")},
            entity_key_serialization_version=3,
        )
        config.repo_path = self.folder
        return FeatureStore(config=config)


def _views(folder: Path) -> list[FeatureView]:
    user, item = (Entity(name=name, join_keys=[name], value_type=ValueType.STRING) for name in ("k0", "k1"))
    entities = {"single": [user], "pair": [user, item], "everyone": [], "renamed": [user]}
    views = []
    for name in VIEWS:
        renamed = name == "renamed"
        source = FileSource(
            name=f"{name}_source",
            path=str(folder / f"{name}.parquet"),
            timestamp_field="ts",
            created_timestamp_column="" if renamed else "created",
            field_mapping={"who": "k0", "stored": "renamed_a"} if renamed else {},
        )
        fields = (
            [Field(name="renamed_a", dtype=Int64)]
            if renamed
            else [
                Field(name=f"{name}_a", dtype=Int64),
                Field(name=f"{name}_b", dtype=String),
            ]
        )
        keys = [Field(name=entity.name, dtype=String) for entity in entities[name]]
        ttl = timedelta(microseconds=TTL[name])
        views.append(FeatureView(name=name, entities=entities[name], ttl=ttl, schema=[*keys, *fields], source=source))
    return views
