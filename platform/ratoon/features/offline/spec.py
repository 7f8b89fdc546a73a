"""One feature view's side of a point-in-time join, as plain values: what to read, what to match, how long it holds."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Engine = Literal["duckdb", "polars"]
"""Who matches rows: DuckDB's ASOF JOIN (Raasveldt and Mühleisen, duckdb.org) or Polars' join_asof."""

ENGINES: tuple[Engine, ...] = ("polars", "duckdb")


Named = tuple[tuple[str, str], ...]
"""Names of features with the names that they are to be given."""


@dataclass(frozen=True, slots=True)
class Source:
    """Parquet files.

    Attributes:
        path: a file, a folder, a glob (`**` included), or any of them as an `s3://` URI.
        storage: options of a remote store, by the names Feast gives them: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
            AWS_SESSION_TOKEN, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL. Without credentials, the environment's.
    """

    path: str
    storage: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ViewSide:
    """One view's side of a join.

    Attributes:
        name, kind: as errors call it.
        timestamp: the source column that says from when on a row holds.
        created: the source column that says when a row became known; "" if there is none.
        keys: (source column, entity column) pairs; empty for a view without entity, whose rows match everything.
        features: (source column, output name) pairs.
        ttl: how long a row holds, that moment included; None or 0 for ever.
    """

    name: str
    source: Source
    timestamp: str
    keys: tuple[tuple[str, str], ...]
    features: tuple[tuple[str, str], ...]
    created: str = ""
    ttl: timedelta | None = None
    kind: Literal["feature view", "data source"] = "feature view"

    @property
    def ttl_us(self) -> int:
        """The ttl in microseconds; 0 for ever."""
        return self.ttl // timedelta(microseconds=1) if self.ttl else 0

    @property
    def where(self) -> str:
        """How errors name it."""
        return f"{self.kind} {self.name!r}"
