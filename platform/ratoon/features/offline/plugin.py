"""Feast's plugin: `offline_store: {type: ratoon.features.offline.AsofOfflineStore, engine: polars}`.

Where Feast's stores disagree, this one does what Feast documents: one output row per entity row, in the caller's order.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.utils import compute_non_entity_date_range

from ratoon.features.offline import pull, sources, sql, write
from ratoon.features.offline.entities import Entities
from ratoon.features.offline.frames import entity_table, every_moment, timestamp_column
from ratoon.features.offline.index import require
from ratoon.features.offline.job import AsofRetrievalJob, describe
from ratoon.features.offline.join import features_as_of
from ratoon.features.offline.pull import Pull
from ratoon.features.offline.sides import requested, side_of, source_of
from ratoon.features.offline.spec import Engine, Source, ViewSide
from ratoon.features.offline.times import NEVER, as_time, micros

_EMPTY = "ratoon.empty"
"""The tag of a source that may be applied before anything has been written to it."""


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """The `offline_store` section of feature_store.yaml.

    Attributes:
        engine: who matches rows to each other.
    """

    type: Literal["ratoon.features.offline.AsofOfflineStore"] = "ratoon.features.offline.AsofOfflineStore"
    engine: Engine = "polars"


class AsofOfflineStore(OfflineStore):
    """Point-in-time joins over Parquet files as ASOF joins."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: Any,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        *,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        filter_by_created_timestamp: bool = False,
    ) -> AsofRetrievalJob:
        """Features as of each entity row.

        Args:
            entity_df: a pandas or Polars frame, an Arrow table, a DuckDB query, or None.
            start_date, end_date: for None: one row per key and time at which a view has a row then, both ends inclusive.
            filter_by_created_timestamp: only rows that had arrived by the entity row's time.
        """

        def sides(taken: Iterable[str]) -> list[ViewSide]:
            return requested(
                feature_refs, feature_views, registry, project, config.repo_path, full=full_feature_names, taken=set(taken)
            )

        if entity_df is None:
            first, last = compute_non_entity_date_range(feature_views, start_date, end_date)
            rows = every_moment(sides(()), micros(first), micros(last))
        else:
            rows = entity_table(entity_df)
        timestamp = timestamp_column(rows)
        views = sides(rows.column_names)
        query = sql.relation(entity_df) if isinstance(entity_df, str) else "entity_df"
        join = _Join(rows, timestamp, views, config.offline_store.engine, filter_by_created_timestamp)
        return AsofRetrievalJob(
            config.repo_path,
            join.table,
            join.batches,
            (lambda: join.sql(query)) if config.offline_store.engine == "duckdb" else None,
            full_feature_names,
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            describe(feature_refs, [name for name in rows.column_names if name != timestamp], *join.bounds()),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> AsofRetrievalJob:
        """The newest row of each key with a time in start..end, both inclusive; ties go to the newest created timestamp."""
        wanted = _pull(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            start_date,
            end_date,
        )
        return AsofRetrievalJob(config.repo_path, lambda: pull.latest(wanted), lambda rows: _batched(pull.latest(wanted), rows))

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> AsofRetrievalJob:
        """All rows with a time in start..end, both inclusive."""
        wanted = _pull(
            config,
            data_source,
            join_key_columns,
            feature_name_columns,
            timestamp_field,
            created_timestamp_column,
            start_date,
            end_date,
        )
        return AsofRetrievalJob(config.repo_path, lambda: pull.everything(wanted), lambda rows: pull.stream(wanted, rows))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Add rows to a view's source, as a file of their own."""
        side = side_of(feature_view, [], config.repo_path)
        assert feature_view.batch_source is not None  # side_of has read it
        table = write.stored(table, feature_view.batch_source.field_mapping or {})
        write.append(side.source, table, side.timestamp, side.where)
        if progress:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig, data: pa.Table | Path, source: LoggingSource, logging_config: LoggingConfig, registry: BaseRegistry
    ) -> None:
        """Add logged features to their destination, as a file of their own."""
        del source, registry
        destination = logging_config.destination
        assert isinstance(destination, FileLoggingDestination)
        target = source_of(destination.to_data_source(), config.repo_path, "the feature log")
        table = data if isinstance(data, pa.Table) else _read(Source(str(data)))
        write.append_partitioned(target, table, list(destination.partition_by or []))

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Raises: DataError: a file cannot be read or lacks a time column; there is none, and `ratoon.empty` is not `true`."""
        read = source_of(data_source, config.repo_path, f"data source {data_source.name!r}")
        if data_source.tags.get(_EMPTY) == "true" and not sources.found(read):
            return
        timestamp, created = data_source.timestamp_field or "", data_source.created_timestamp_column or ""
        stored = {new: old for old, new in (data_source.field_mapping or {}).items()}
        side = ViewSide(data_source.name, read, timestamp, (), (), kind="data source")
        for part in sources.open_parts(read, side.where):
            for column in filter(None, (timestamp, created)):
                require(stored.get(column, column), part, side)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """The columns of the source's newest file, with their Arrow types as text."""
        where = f"data source {data_source.name!r}"
        schema = sources.open_parts(source_of(data_source, config.repo_path, where), where)[-1].schema
        return [(field.name, str(field.type)) for field in schema]


class _Join:
    """A join that can be run as a whole, by slices, or rendered."""

    def __init__(self, rows: pa.Table, timestamp: str, views: list[ViewSide], engine: Engine, arrived: bool) -> None:
        self.engine, self.views, self.timestamp = engine, views, timestamp
        self.arrival = timestamp if arrived else None
        self.columns = rows.schema
        self.entities = Entities.of(rows, timestamp, self.arrival)

    def table(self) -> pa.Table:
        return self._joined(self.entities)

    def batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        for start in range(0, max(len(self.entities.times), 1), rows):
            part = Entities.of(self.entities.table.slice(start, rows), self.timestamp, self.arrival)
            yield from self._joined(part).combine_chunks().to_batches()

    def sql(self, query: str) -> str:
        return sql.render(query, self.columns, self.views, timestamp=self.timestamp, arrival=self.arrival is not None)

    def bounds(self) -> tuple[datetime | None, datetime | None]:
        known = self.entities.times[self.entities.times != NEVER]
        found = as_time(np.array([known.min(), known.max()])).to_pylist() if len(known) else [None, None]
        return found[0], found[1]

    def _joined(self, entities: Entities) -> pa.Table:
        own = dict(zip(entities.table.column_names, entities.table.columns, strict=True))
        own[self.timestamp] = as_time(entities.times)
        return pa.table(own | features_as_of(entities, self.views, self.engine)).combine_chunks()


def _pull(
    config: RepoConfig,
    source: DataSource,
    keys: list[str],
    features: list[str],
    timestamp: str,
    created: str | None,
    start: datetime | None,
    end: datetime | None,
) -> Pull:
    return Pull(
        source_of(source, config.repo_path, f"data source {source.name!r}"),
        tuple(keys),
        tuple(features),
        timestamp,
        created or "",
        micros(start) if start else None,
        micros(end) if end else None,
    )


def _batched(table: pa.Table, rows: int) -> Iterator[pa.RecordBatch]:
    yield from table.to_batches(max_chunksize=rows)


def _read(source: Source) -> pa.Table:
    parts = sources.open_parts(source, "the logged features")
    frame = sources.collect(sources.scan(parts, source).drop(sources.RID), parts, source, "the logged features")
    return frame.to_arrow().cast(parts[0].schema)


__all__ = ["AsofOfflineStore", "AsofOfflineStoreConfig"]
