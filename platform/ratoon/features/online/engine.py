"""Feast's materialisation, column by column: what `feast materialize` and `materialize-incremental` call, and `ratoon` too.

    batch_engine:
      type: ratoon.features.online.engine.PackedComputeEngine

A run that starts where the view's newest one ended is taken for the next one onwards: it also brings rows that are stamped
earlier and arrived since (`filling`). Any other run brings exactly the rows of its times, wherever they lie. Views that are
not plain Parquet files (other sources, transformations, types of Feast's own) and other online stores than the packed ones
go through Feast's local engine, a value at a time.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from feast import BatchFeatureView, FeatureView, FileSource, RepoConfig, StreamFeatureView
from feast.data_format import ParquetFormat
from feast.infra.common.materialization_job import MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.local.compute import LocalComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from ratoon.domain.errors import RatoonError
from ratoon.features.online.feast_stores import EPOCH, US, PackedOnlineStore, layout_of
from ratoon.features.online.filling import EVER, NOBODY, Goal, Tell, fill
from ratoon.features.online.layout import OTHER
from ratoon.features.online.sources import Source

AnyView = FeatureView | BatchFeatureView | StreamFeatureView


class PackedComputeEngineConfig(FeastConfigBaseModel):
    """What `feature_store.yaml` may say: nothing but the type."""

    type: str = "ratoon.features.online.engine.PackedComputeEngine"


class PackedComputeEngine(LocalComputeEngine):
    """Feast's plugin class."""

    def _materialize_one(self, registry: BaseRegistry, task: MaterializationTask, **kwargs: Any) -> LocalMaterializationJob:
        source = source_of(self.repo_config, task.feature_view)
        if source is None or not isinstance(self.online_store, PackedOnlineStore):
            return super()._materialize_one(registry, task, **kwargs)
        name = f"{task.feature_view.name}-{task.start_time}-{task.end_time}"
        try:
            fill(self.online_store.rows(self.repo_config), source, _goal(task), _bar(task))
        except RatoonError as error:
            return LocalMaterializationJob(name, MaterializationJobStatus.ERROR, error)
        return LocalMaterializationJob(name, MaterializationJobStatus.SUCCEEDED)


def source_of(config: RepoConfig, view: AnyView) -> Source | None:
    """A view's files as packed rows need them; None if there is more to it than columns of Parquet files."""
    files, layout = view.batch_source, layout_of(view)
    if not isinstance(files, FileSource) or not isinstance(files.file_format, ParquetFormat | None):
        return None
    derived = (getattr(view, name, None) for name in ("feature_transformation", "aggregations", "source_views", "udf"))
    if any(derived) or any(dtype == OTHER for _, dtype in layout.fields):
        return None
    stored = {name: column for column, name in (files.field_mapping or {}).items()}
    keys = [(column.name, column.dtype.to_value_type().name) for column in view.entity_columns if column.name != NOBODY[0]]
    arrived = files.created_timestamp_column or ""
    return Source(
        view.name,
        layout,
        tuple(keys),
        FileSource.get_uri_for_file_path(config.repo_path, files.path),
        stored.get(files.timestamp_field, files.timestamp_field),
        stored.get(arrived, arrived),
        stored,
        files.s3_endpoint_override or "",
    )


def _goal(task: MaterializationTask) -> Goal:
    start, end, view = _aware(task.start_time), _aware(task.end_time), task.feature_view
    if task.disable_event_timestamp:
        return Goal("between", -EVER, EVER)
    done = view.materialization_intervals
    if done and start == _aware(max(end for _, end in done)):
        return Goal("onwards", _micros(min(_aware(first) for first, _ in done)), _micros(end))
    return Goal("between", _micros(start), _micros(end))


def _bar(task: MaterializationTask) -> Tell:
    if task.tqdm_builder is None:
        return lambda _done, _all: None
    build: Callable[[int], Any] = task.tqdm_builder
    shown: list[Any] = []

    def tell(done: int, total: int) -> None:
        if not shown:
            shown.append(build(total))
        shown[0].update(done - shown[0].n)
        if done == total:
            shown[0].close()

    return tell


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _micros(moment: datetime) -> int:
    return (moment - EPOCH) // US
