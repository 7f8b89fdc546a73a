"""Point-in-time joins through Feast, and the cache of training examples they give.

An example is an interaction with the features of its user and its item as they were just before it, and as far as they
had arrived. That never changes afterwards, so each interaction is joined once, whatever trains on it later.
"""

import fcntl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.domain.event import TIME
from ratoon.domain.schema import TowerSchema
from ratoon.features.repository import FeastRepository
from ratoon.features.views import View
from ratoon.ports import EventLog

KEPT = ("offset", "user_id", "item_id", "type", "value", "event_timestamp")
"""The columns of an interaction that examples keep."""

CHUNK = 16_000
"""Entity rows per join: Feast's DuckDB store pairs each with every earlier version of its key, all in memory."""


def point_in_time(repository: FeastRepository, entities: pa.Table, references: Sequence[str]) -> pa.Table:
    """Features as of each entity row's event_timestamp and arrived by then, in the caller's order.

    Args:
        entities: join keys and `event_timestamp`.
        references: `view:feature` names.

    Returns:
        `entities` followed by one column per reference, typed as the views declare.
    """
    types = {f"{view.name}:{field.name}": field.arrow for view in repository.views for field in view.fields}
    wanted = {reference.partition(":")[2]: types[reference] for reference in references}
    chunks = [_join(repository, part, references, wanted) for part in _chunks(entities)]
    if not chunks:
        return pa.table({**_columns(entities), **{name: pa.array([], of) for name, of in wanted.items()}})
    return pa.concat_tables(chunks)


def _chunks(entities: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, entities.num_rows, CHUNK):
        yield entities.slice(start, CHUNK)


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _join(repository: FeastRepository, entities: pa.Table, references: Sequence[str], wanted: dict[str, pa.DataType]) -> pa.Table:
    frame = entities.append_column("ratoon_row", pa.array(range(entities.num_rows), pa.int64())).to_pandas()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast and ibis warn of their own internals on every call.
        joined = repository.store.get_historical_features(frame, list(references), filter_by_created_timestamp=True).to_arrow()
    joined = joined.sort_by("ratoon_row")
    columns = {name: pc.cast(joined.column(name), of, safe=False) for name, of in wanted.items()}
    return pa.table({**_columns(entities), **columns})


class Examples:
    """The cache: Parquet files named by the offsets they cover, per schema and folds, under `features/examples/`."""

    def __init__(self, repository: FeastRepository, log: EventLog, schema: TowerSchema, references: Sequence[str]) -> None:
        """Args: references: every input of both towers, as Feast names it."""
        self._repository, self._log, self._references = repository, log, references
        used = {reference.partition(":")[0] for reference in references}
        editions = sorted(view.edition for view in repository.views if view.name in used)
        self.folder = repository.folder / "examples" / durable.sha256("\n".join([schema.hash, *editions]).encode())[:16]

    def read(self, after: int, upto: int) -> pa.Table:
        """Interactions with after < offset <= upto, joined; by offset."""
        with _only_one(self.folder):
            self._extend(upto)
            parts = [pq.read_table(path) for path in self._parts() if _covers(path)[1] > after and _covers(path)[0] < upto]
        if not parts:
            return self._joined(pa.table({name: [] for name in KEPT}, pa.schema(_KEPT_SCHEMA)))
        table = pa.concat_tables(parts)
        offsets = table.column("offset")
        return table.filter(pc.and_(pc.greater(offsets, after), pc.less_equal(offsets, upto))).combine_chunks()

    def _extend(self, upto: int) -> None:
        reached = max((_covers(path)[1] for path in self._parts()), default=0)
        if reached >= upto:
            return
        events = self._log.read(reached, upto)
        events = events.filter(pc.equal(events.column("kind"), "interaction")).select(list(KEPT))
        sink = pa.BufferOutputStream()
        pq.write_table(self._joined(events), sink, compression="zstd")
        durable.write(self.folder / f"{reached:012d}-{upto:012d}.parquet", sink.getvalue().to_pybytes())
        durable.fault_point("features.joined")

    def _joined(self, events: pa.Table) -> pa.Table:
        keys = events.select(["user_id", "item_id", "event_timestamp"])
        features = point_in_time(self._repository, keys, self._references)
        return pa.table({**_columns(events), **_columns(features.drop_columns(keys.column_names))})

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.parquet"))


_KEPT_SCHEMA = [
    pa.field("offset", pa.int64()),
    pa.field("user_id", pa.string()),
    pa.field("item_id", pa.string()),
    pa.field("type", pa.string()),
    pa.field("value", pa.float64()),
    pa.field("event_timestamp", TIME),
]


def _covers(path: Path) -> tuple[int, int]:
    first, _, last = path.stem.partition("-")
    return int(first), int(last)


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Refreshes of several surfaces share the cache; one of them extends it at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def items_as_of(repository: FeastRepository, ids: Sequence[str], as_of: datetime, references: Sequence[str]) -> pa.Table:
    """Item features just after `as_of`, one row per id, in order."""
    moment = as_of + timedelta(microseconds=1)
    keys = pa.table({"item_id": pa.array(ids, pa.string()), "event_timestamp": pa.array([moment] * len(ids), TIME)})
    return point_in_time(repository, keys, references).drop_columns(["event_timestamp"])


def manifest(view: View) -> dict[str, int]:
    """The files a view's glob matches now: name -> size."""
    return {path.name: path.stat().st_size for path in sorted(view.folder.glob(Path(view.path).name))}


def keys_in(view: View, names: Sequence[str]) -> set[str]:
    """The entities with a row in some of a view's files."""
    found: set[str] = set()
    for name in names:
        column = pq.read_table(view.folder / name, columns=[view.key]).column(view.key)
        found.update(column.cast(pa.string()).drop_null().unique().to_pylist())
    return found
