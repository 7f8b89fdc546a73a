"""Feast's RetrievalJob over a join or a read that has not been run yet."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.saved_dataset import SavedDatasetStorage

from ratoon.domain.errors import UsageError
from ratoon.features.offline import write
from ratoon.features.offline.sides import source_of

ROWS = 1_000_000
"""Entity rows of a streamed batch."""


@dataclass
class AsofRetrievalJob(RetrievalJob):
    """Runs when its rows are asked for.

    Attributes:
        compute: gives all rows.
        stream: gives them as batches of about some number of rows, holding about one at a time.
        render: gives the SQL, where there is one.
    """

    repo: Path | str | None
    compute: Callable[[], pa.Table]
    stream: Callable[[int], Iterator[pa.RecordBatch]]
    render: Callable[[], str] | None = None
    full: bool = False
    views: list[OnDemandFeatureView] = field(default_factory=list)
    described: RetrievalMetadata | None = None

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        del timeout  # nothing here waits for another machine
        return self.compute()

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        return self._to_arrow_internal(timeout).to_pandas()

    def to_record_batches(self, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """The rows of `to_arrow`, without the features of on-demand views, in batches; memory follows the batch."""
        return self.stream(rows)

    def to_sql(self) -> str:
        """One statement for DuckDB that gives these rows.

        Entity rows that came as a frame are read from a relation called `entity_df`: register them under that name.

        Raises:
            UsageError: if the store's engine is not DuckDB, or the job only reads a table.
        """
        if self.render is None:
            raise UsageError(
                "to_sql",
                expected="a join by the engine duckdb",
                found="another",
                fix="Set `engine: duckdb` under offline_store in feature_store.yaml.",
            )
        return self.render()

    @property
    def full_feature_names(self) -> bool:
        """Whether features are called `view__feature`."""
        return self.full

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """The views that Feast computes from these rows."""
        return self.views

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked for; None for a read of a table."""
        return self.described

    def persist(self, storage: SavedDatasetStorage, allow_overwrite: bool = False, timeout: int | None = None) -> None:
        """Write the rows, on-demand features included, to a file, or to `data.parquet` in a folder.

        Raises:
            SavedDatasetLocationAlreadyExists: if there is something and `allow_overwrite` is not set.
        """
        source = source_of(storage.to_data_source(), self.repo, "the saved dataset")
        if write.exists(source) and not allow_overwrite:
            raise SavedDatasetLocationAlreadyExists(source.path)
        single = source.path.endswith(".parquet")
        write.store(source, source.path if single else f"{source.path}/data.parquet", self.to_arrow(timeout=timeout))


def describe(references: list[str], columns: list[str], least: Any, most: Any) -> RetrievalMetadata:
    """What a join was asked for; `least` and `most` are the first and the last entity row's time, None without rows."""
    return RetrievalMetadata(features=references, keys=columns, min_event_timestamp=least, max_event_timestamp=most)
