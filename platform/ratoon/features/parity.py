"""Whether a server reads what a model was taught: the same features offline, by a point-in-time join, and online."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon.domain.errors import DataError
from ratoon.domain.event import TIME
from ratoon.domain.schema import Entity
from ratoon.features.deltas import files_of
from ratoon.features.foreign_files import reading
from ratoon.features.joins import point_in_time
from ratoon.features.online.block import Block
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import NEVER, Layout
from ratoon.features.online.store import APPLIED, RowStore, Wanted, reached, read
from ratoon.features.quality.accepted import arrived
from ratoon.features.repository import FeastRepository
from ratoon.features.views import View
from ratoon.ports import EventLog

US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """One feature of one entity that is not the same at both ends.

    Attributes:
        offline_time, online_time: the event times of the rows the values are from; None where there is no row.
    """

    entity: str
    view: str
    feature: str
    offline: object
    offline_time: datetime | None
    online: object
    online_time: datetime | None


@dataclass(frozen=True, slots=True)
class Parity:
    """What was compared.

    Attributes:
        at: the moment that both ends were asked for.
        entities, values: how many were compared.
        waiting: sampled entities that were passed over, as events of theirs are not materialised yet.
    """

    at: datetime
    entities: int
    values: int
    waiting: int
    differences: tuple[Difference, ...]


def parity(repository: FeastRepository, log: EventLog, n: int, rng: np.random.Generator) -> Parity:
    """Compare up to n users and n items, drawn from all that have rows, in every view with an online table.

    Both ends are asked for just after everything that has arrived. The online row of an entity with events beyond the
    materialised position may be ahead of the offline ones, so such entities are passed over.

    Raises:
        DataError: entities were drawn, and none of them could be compared.
    """
    at, store = _present(log), repository.place.open()
    compared, waiting, values, found = 0, 0, 0, list[Difference]()
    entities: tuple[Entity, ...] = ("user", "item")
    try:
        for entity in entities:
            views = [view for view in repository.views if view.entity == entity and view.online]
            if not views:
                continue
            drawn = _drawn(views, n, rng)
            ahead = _ahead(views, log, store)
            ids = [one for one in drawn if one not in ahead]
            compared, waiting = compared + len(ids), waiting + len(drawn) - len(ids)
            values += len(ids) * sum(len(view.fields) for view in views)
            found += _differences(repository, store, views, ids, at) if ids else []
    finally:
        store.close()
    if waiting and not compared:
        raise DataError(
            "parity",
            expected="entities whose events are all materialised",
            found=f"{waiting} entities with events that wait",
            fix="Run `ratoon ingest` and `ratoon materialize` first.",
        )
    return Parity(at, compared, values, waiting, tuple(found))


def _present(log: EventLog) -> datetime:
    """Just after everything that has happened and arrived: rows are stamped 1 us after the event they follow."""
    now = log.now()
    return max(now, arrived(log, log.end()) or now) + US


def _drawn(views: Sequence[View], n: int, rng: np.random.Generator) -> list[str]:
    """Up to n of the entities with a row in some view, sorted."""
    each = [
        _rows(view, path, [view.key]).column(view.key).cast(pa.string()).unique()
        for view in views
        for path in files_of(view).values()
    ]
    known = sorted(pc.unique(pa.chunked_array(each, pa.string())).drop_null().to_pylist())
    return sorted(known[at] for at in rng.choice(len(known), min(n, len(known)), replace=False))


def _ahead(views: Sequence[View], log: EventLog, store: RowStore) -> set[str]:
    """Entities with events that are not materialised in every view that events fill."""
    notes = store.notes(APPLIED)
    filled = [view for view in views if view.origin != "foreign"]
    if not filled:
        return set()
    end = log.end()
    waiting = log.read(min(reached(notes, view.edition, end) for view in filled))
    return set(waiting.column(filled[0].key).drop_null().to_pylist())


def _differences(
    repository: FeastRepository, store: RowStore, views: Sequence[View], ids: Sequence[str], at: datetime
) -> Iterator[Difference]:
    keys = pa.table({views[0].key: pa.array(ids, pa.string()), "event_timestamp": pa.array([at] * len(ids), TIME)})
    wanted = [Wanted(view.name, Layout.of(view.fields), _ttl(repository, view)) for view in views]
    micros = pa.scalar(at, TIME).cast(pa.int64()).as_py()
    blocks = read(store, wanted, text_keys(views[0].key, ids), micros)
    for view, block in zip(views, blocks, strict=True):
        offline = point_in_time(repository, keys, [f"{view.name}:{field.name}" for field in view.fields])
        for field in view.fields:
            here, there = offline.column(field.name).to_pylist(), block.arrow(field.name).to_pylist()
            for row, (taught, served) in enumerate(zip(here, there, strict=True)):
                if not _same(taught, served):
                    times = _offline_time(view, ids[row], at), _online_time(block, row)
                    yield Difference(ids[row], view.name, field.name, taught, times[0], served, times[1])


def _ttl(repository: FeastRepository, view: View) -> int:
    ttl = repository.feature_view(view.name).ttl
    return ttl // US if ttl else 0


def _same(one: object, other: object) -> bool:
    """Equal, where a number that is none equals itself."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other or (one != one and other != other)  # NaN is not itself


def _offline_time(view: View, entity: str, at: datetime) -> datetime | None:
    """The event time of the newest row of an entity; only differences are worth looking for it."""
    columns = [view.timestamp_field, *([view.created_timestamp_field] if view.created_timestamp_field else [])]
    tables = [_rows(view, path, [*columns, view.key], (view.key, "==", entity)) for path in files_of(view).values()]
    times = [moment for table in tables for moment in _arrived(table, columns, at)]
    return max(times, default=None)


def _rows(view: View, path: Path, columns: Sequence[str], *only: tuple[str, str, str]) -> pa.Table:
    with reading(view.name, path):
        return pq.read_table(path, columns=list(columns), filters=list(only) or None)


def _arrived(table: pa.Table, columns: Sequence[str], at: datetime) -> list[datetime]:
    stamps = [table.column(name).cast(TIME).to_pylist() for name in columns]
    return [row[0] for row in zip(*stamps, strict=True) if all(stamp is not None and stamp <= at for stamp in row)]


def _online_time(block: Block, row: int) -> datetime | None:
    moment = int(block.records["event_ts"][row])
    if not block.found[row] or moment == NEVER:
        return None
    stamp: datetime = pa.scalar(moment, pa.int64()).cast(TIME).as_py()
    return stamp
