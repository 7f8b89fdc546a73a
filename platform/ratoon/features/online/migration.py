"""Feast's own SQLite online store -> packed rows.

Feast's tables `{project}_{view}` hold one row per entity and feature: `entity_key`, `feature_name`, `value` (a serialised
message), `event_ts` and `created_ts` (whole seconds, or text). An entity's packed row takes the newest of its features' times.
The guard of the store decides: what it has newer stays, and migrating twice is migrating once.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
from google.protobuf.message import DecodeError

from ratoon import durable
from ratoon.domain.errors import DataError, StoreError
from ratoon.features.folds.ingest import column
from ratoon.features.online.layout import NEVER, Layout
from ratoon.features.online.pack import Packed, pack
from ratoon.features.online.store import Batch, RowStore
from ratoon.features.values import decode
from ratoon.features.views import View

ENTITIES_AT_ONCE = 10_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_Cell = tuple[bytes, str, bytes, object, object]


@dataclass(frozen=True, slots=True)
class Migrated:
    """One view's share: how many entities and values were read from Feast's table, and whether it was dropped then."""

    view: str
    entities: int
    values: int
    dropped: bool


def migrate(
    path: Path,
    views: Iterable[View],
    store: RowStore,
    *,
    drop: bool = False,
    told: Callable[[str, int], None] = lambda _view, _entities: None,
) -> list[Migrated]:
    """Bring what Feast's SQLite store at `path` holds of `views` into `store`; views without a table there are passed over.

    Args:
        drop: remove each of Feast's tables once it is copied.
        told: hears how many entities of which view are done.

    Raises:
        StoreError: if the file is missing or no SQLite database.
        DataError: naming view and feature, for a value that is none of Feast's.
    """
    if not path.exists():
        raise StoreError(str(path), expected="Feast's SQLite online store", found="no such file", fix="Name it with --from.")
    try:
        with closing(sqlite3.connect(path, timeout=10.0)) as old:
            there = [view for view in views if view.online and _has(old, view.table)]
            return [_one(old, view, store, drop, told) for view in there]
    except sqlite3.Error as error:
        raise StoreError(
            str(path), expected="Feast's SQLite online store", found=str(error), fix="Name another file with --from."
        ) from error


def _has(old: sqlite3.Connection, table: str) -> bool:
    found = old.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()
    return found is not None


def _one(old: sqlite3.Connection, view: View, store: RowStore, drop: bool, told: Callable[[str, int], None]) -> Migrated:
    entities = values = 0
    store.prepare([view.name])
    cells = old.execute(f'SELECT entity_key, feature_name, value, event_ts, created_ts FROM "{view.table}" ORDER BY entity_key')
    grouped = groupby(cells, key=itemgetter(0))
    while chunk := list(islice(((key, list(group)) for key, group in grouped), ENTITIES_AT_ONCE)):
        store.write([_batch(view, chunk)])
        durable.fault_point("online.migrated")
        entities += len(chunk)
        values += sum(len(group) for _, group in chunk)
        told(view.name, entities)
    if drop:
        cells.close()
        old.execute(f'DROP TABLE "{view.table}"')
        old.commit()
    return Migrated(view.name, entities, values, drop)


def _batch(view: View, chunk: list[tuple[bytes, list[_Cell]]]) -> Batch:
    layout = Layout.of(view.fields)
    stored = [{name: value for _, name, value, *_ in group} for _, group in chunk]
    columns = {
        field.name: column([_value(view, field.name, field.dtype, row.get(field.name)) for row in stored], field.arrow)
        for field in view.fields
    }
    times = np.array([max(_times(view, group, 3)) for _, group in chunk], np.int64)
    arrivals = np.array([max(_times(view, group, 4)) for _, group in chunk], np.int64)
    rows = pack(layout, pa.table(columns), times, arrivals)
    return Batch(view.name, layout, Packed([key for key, _ in chunk], rows, times, arrivals))


def _value(view: View, name: str, dtype: str, data: bytes | None) -> object:
    try:
        return None if data is None else decode(data, dtype)
    except DecodeError as error:
        raise DataError(
            f"feature {name!r} of feature view {view.name!r}",
            expected="a value as Feast serialises it",
            found=f"{len(data or b'')} other bytes",
            fix="Materialise the view again instead of migrating it.",
        ) from error


def _times(view: View, group: list[_Cell], at: int) -> Iterator[int]:
    for cell in group:
        moment = cell[at]
        if moment is None:
            yield NEVER
        elif isinstance(moment, int | float):
            yield int(moment * 1_000_000)
        else:
            yield _parsed(view, str(moment))


def _parsed(view: View, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise DataError(
            f"times of feature view {view.name!r}",
            expected="seconds since 1970, or a date",
            found=repr(text),
            fix="Materialise the view again instead of migrating it.",
        ) from error
    return (moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH) // _US
