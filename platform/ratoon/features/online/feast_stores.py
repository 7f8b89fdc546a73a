"""The packed stores as Feast's plugins.

    online_store:
      type: ratoon.features.online.feast_stores.PackedSqliteOnlineStore
      path: ../var/features/online.db

    online_store:
      type: ratoon.features.online.feast_stores.PackedRedisOnlineStore
      connection_string: redis://localhost:6379/0

Every Feast client that loads these classes reads and writes: `get_online_features`, `push`, `write_to_online_store`, the
feature server. Beside them belongs `batch_engine: {type: ratoon.features.online.engine.PackedComputeEngine}`; without it
materialisation works too, a value at a time.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
from feast import Entity, FeatureView, RepoConfig, utils
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value as ValueProto
from feast.repo_config import FeastConfigBaseModel

from ratoon.features.online import protos
from ratoon.features.online.block import Block
from ratoon.features.online.layout import NEVER, OTHER, Layout
from ratoon.features.online.opening import open_rows
from ratoon.features.online.pack import Packed, pack
from ratoon.features.online.store import Batch, RowStore, Wanted, read
from ratoon.features.views import ARROW_TYPES

KEY_VERSION = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)

FeastRow = tuple[EntityKey, dict[str, ValueProto], datetime, datetime | None]
Answer = tuple[datetime | None, dict[str, ValueProto] | None]


class PackedSqliteOnlineStoreConfig(FeastConfigBaseModel):
    """What `feature_store.yaml` may say.

    Attributes:
        path: of the file, relative to the repository.
        expire: whether a value older than its view's ttl, by the wall clock, comes as missing; false serves it, as Feast's
            own stores do.
    """

    type: Literal["ratoon.features.online.feast_stores.PackedSqliteOnlineStore"] = (
        "ratoon.features.online.feast_stores.PackedSqliteOnlineStore"
    )
    path: str
    expire: bool = True


class PackedRedisOnlineStoreConfig(FeastConfigBaseModel):
    """What `feature_store.yaml` may say.

    Attributes:
        connection_string: a redis:// or rediss:// URL, or Feast's own `host:port,password=...`.
        expire: as for SQLite.
    """

    type: Literal["ratoon.features.online.feast_stores.PackedRedisOnlineStore"] = (
        "ratoon.features.online.feast_stores.PackedRedisOnlineStore"
    )
    connection_string: str
    expire: bool = True


class PackedOnlineStore(OnlineStore):
    """What both have in common: everything but where the rows are."""

    _opened: RowStore | None = None

    @staticmethod
    @abstractmethod
    def open(config: RepoConfig) -> RowStore:
        """The configured store; Feast has filled in the environment's variables already."""

    def rows(self, config: RepoConfig) -> RowStore:
        """The store under the plugin, open."""
        if self._opened is None:
            self._opened = self.open(config)
        return self._opened

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[FeastRow],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows unless newer ones are there; a row's features are replaced together."""
        layout, store = layout_of(table), self.rows(config)
        times = np.array([_micros(moment) for _, _, moment, _ in data], np.int64)
        arrivals = np.array([NEVER if arrival is None else _micros(arrival) for *_, arrival in data], np.int64)
        keys = [serialize_entity_key(key, KEY_VERSION) for key, *_ in data]
        rows = pack(layout, protos.columns(table.name, layout, [values for _, values, *_ in data]), times, arrivals)
        store.prepare([table.name])
        store.write([Batch(table.name, layout, Packed(keys, rows, times, arrivals))])
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Answer]:
        """Per entity its event time and values; (None, None) for one without a row, or with an expired one."""
        ((names, found),) = self._read(config, [(table, requested_features)], entity_keys)
        return _answers(found, names)

    def _read(
        self, config: RepoConfig, asked: Sequence[tuple[FeatureView, list[str] | None]], entity_keys: Sequence[EntityKey]
    ) -> list[tuple[list[str], Block]]:
        store, keys = self.rows(config), [serialize_entity_key(key, KEY_VERSION) for key in entity_keys]
        wanted = [Wanted(view.name, layout_of(view), _ttl(config, view)) for view, _ in asked]
        store.prepare([one.view for one in wanted])
        blocks = read(store, wanted, keys, _micros(datetime.now(UTC)))
        return [
            (names or [feature.name for feature in view.features], found)
            for (view, names), found in zip(asked, blocks, strict=True)
        ]

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: list[Any],
        join_key_values: dict[str, Any],
        entity_name_to_join_key_map: dict[str, str],
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        """As in the base class, but views of the same entities in one round trip."""
        groups: dict[tuple[bytes, ...], list[Any]] = {}
        for table, names in grouped_refs:
            entities, places, length = utils._get_unique_entities(table, join_key_values, entity_name_to_join_key_map)
            keys = utils._get_entity_key_protos(entities)
            same = tuple(key.SerializeToString(deterministic=True) for key in keys)
            groups.setdefault(same, []).append((table, names, keys, places, length))
        for members in groups.values():
            blocks = self._read(config, [(table, names) for table, names, *_ in members], members[0][2])
            for (table, names, _, places, length), (_, found) in zip(members, blocks, strict=True):
                utils._populate_response_from_feature_data(
                    names,
                    _answers(found, names),
                    places,
                    online_features_response,
                    full_feature_names,
                    table,
                    length,
                    include_feature_view_version_metadata,
                )

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],  # noqa: ARG002  # Feast's signature
        entities_to_keep: Sequence[Entity],  # noqa: ARG002
        partial: bool,  # noqa: ARG002
    ) -> None:
        """Make room for new views, drop deleted ones."""
        self.rows(config).prepare([table.name for table in tables_to_keep])
        self.rows(config).drop([table.name for table in tables_to_delete])

    def teardown(
        self,
        config: RepoConfig,
        tables: Sequence[FeatureView],
        entities: Sequence[Entity],  # noqa: ARG002  # Feast's signature
    ) -> None:
        """Drop all views."""
        self.rows(config).drop([table.name for table in tables])


class PackedSqliteOnlineStore(PackedOnlineStore):
    """Feast's plugin class over `ratoon.features.online.sqlite`."""

    @staticmethod
    def open(config: RepoConfig) -> RowStore:
        """The configured file."""
        path = config.online_store.path  # an absolute one stays what it is
        return open_rows("sqlite", str((config.repo_path or Path()) / path), config.project)


class PackedRedisOnlineStore(PackedOnlineStore):
    """Feast's plugin class over `ratoon.features.online.redis`."""

    @staticmethod
    def open(config: RepoConfig) -> RowStore:
        """The configured server."""
        return open_rows("redis", config.online_store.connection_string, config.project)


def layout_of(view: FeatureView) -> Layout:
    """The layout of a view's rows."""
    dtypes = ((field.name, field.dtype.to_value_type().name) for field in view.features)
    return Layout(tuple((name, dtype if dtype in ARROW_TYPES else OTHER) for name, dtype in dtypes))


def _ttl(config: RepoConfig, view: FeatureView) -> int:
    ttl: timedelta | None = getattr(view, "ttl", None)  # a view computed on demand has none
    return ttl // US if ttl and config.online_store.expire else 0


def _answers(found: Block, names: Sequence[str]) -> list[Answer]:
    one = len(found.records) == 1
    columns = protos.single(found, names) if one else [protos.values(found, name) for name in names]
    live, times = found.live.tolist(), found.records["event_ts"].tolist()
    rows = list(zip(*columns, strict=True)) if columns else [()] * len(live)
    return [
        (EPOCH + moment * US, dict(zip(names, row, strict=True))) if there else (None, None)
        for there, moment, row in zip(live, times, rows, strict=True)
    ]


def _micros(moment: datetime) -> int:
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // US
