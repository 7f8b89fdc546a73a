"""Feature views without Feast: what ingestion, the online store and the server have to know about each of them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.event import TIME
from ratoon.domain.schema import Entity
from ratoon.features import described
from ratoon.features.places import found, written

Origin = Literal["interaction", "user", "item", "foreign"]
"""Which events fill a view; `foreign` rows are written by somebody else."""

ARROW_TYPES: dict[str, pa.DataType] = {
    "STRING": pa.string(),
    "BYTES": pa.binary(),
    "INT32": pa.int32(),
    "INT64": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "BOOL": pa.bool_(),
    "UNIX_TIMESTAMP": TIME,
}
ARROW_TYPES |= {f"{name}_LIST": pa.list_(of) for name, of in ARROW_TYPES.items()}
"""Feast's value type names -> how a column of them is stored."""

JOIN_KEYS: dict[Entity, str] = {"user": "user_id", "item": "item_id"}


@dataclass(frozen=True, slots=True)
class ViewField:
    """One feature of a view: Feast's value type name, its fold if it has one, and the text that it is the vector of, if it is."""

    name: str
    dtype: str
    aggregate: str = ""
    embed: str = ""

    @property
    def arrow(self) -> pa.DataType:
        """The Arrow type of its column."""
        return ARROW_TYPES[self.dtype]


@dataclass(frozen=True, slots=True)
class View:
    """One feature view.

    Attributes:
        project: Feast's project.
        path: the glob its rows are read from, absolute.
        online: whether the online store has a table for it.
        created_timestamp_field: the column that says when a row arrived; empty if there is none.
    """

    project: str
    name: str
    entity: Entity
    origin: Origin
    path: str
    timestamp_field: str
    fields: tuple[ViewField, ...]
    online: bool = True
    created_timestamp_field: str = ""

    @property
    def key(self) -> str:
        """The join key's column."""
        return JOIN_KEYS[self.entity]

    @property
    def folder(self) -> Path:
        """Where ingestion appends this view's files."""
        return Path(self.path).parent

    @property
    def table(self) -> str:
        """Its table in Feast's SQLite online store."""
        return f"{self.project}_{self.name}"

    @property
    def edition(self) -> str:
        """Its name and a digest of its fields and folds: rows of another edition have to be derived anew."""
        said = [{name: value for name, value in asdict(field).items() if value or name != "embed"} for field in self.fields]
        fields = json.dumps(said, sort_keys=True)
        return f"{self.name}:{durable.sha256(fields.encode())[:16]}"

    @property
    def arrow_schema(self) -> pa.Schema:
        """The columns of one of its Parquet files."""
        columns = [pa.field(self.key, pa.string()), *(pa.field(field.name, field.arrow) for field in self.fields)]
        return pa.schema([*columns, pa.field("event_timestamp", TIME), pa.field("created_timestamp", TIME)])


def save(path: Path, views: Iterable[View]) -> None:
    """Write the views down for processes that do not import Feast; see `places.written` for files beside `path`."""
    raw = [asdict(view) | {"path": written(view.path, path.parent)} for view in views]
    described.write(path, raw)


def load(path: Path) -> tuple[View, ...]:
    """The inverse of `save`, wherever the folder is by now.

    Raises:
        StoreError: there is no such file, or it is damaged.
    """
    try:
        told = path.stat()
    except FileNotFoundError as error:
        raise StoreError(
            str(path),
            expected="the views of an applied feature repository",
            found="no such file",
            fix="Run `ratoon bootstrap` or `ratoon ingest` first.",
        ) from error
    return _parsed(path, (told.st_mtime_ns, told.st_ino, told.st_size))


@lru_cache(maxsize=8)
def _parsed(path: Path, _stamp: tuple[int, int, int]) -> tuple[View, ...]:
    """What a file says; with its stamp, since a server asks for every event."""
    return tuple(_view(row, path.parent) for row in described.read(path))


def _view(row: dict[str, Any], folder: Path) -> View:
    fields = tuple(ViewField(**field) for field in row["fields"])
    return View(**row | {"path": found(row["path"], folder), "fields": fields})


def named(path: Path, name: str) -> View:
    """One of the views at `path`.

    Raises:
        UsageError: there is none of that name.
    """
    known = {view.name: view for view in load(path)}
    if name not in known:
        fix = "Name one of them; `ratoon ingest` applies a changed feature_repo/."
        raise UsageError("view", expected=f"one of {', '.join(sorted(known))}", found=repr(name), fix=fix)
    return known[name]
