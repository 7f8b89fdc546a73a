"""Point-in-time joins over the feature repository's views, and the cache of training examples they give.

An example is an interaction with the features of its user and its item as they were just before it, and as far as they
had arrived. That never changes afterwards, so each interaction is joined once, whatever trains on it later.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from ratoon import durable
from ratoon.domain.delta import Split
from ratoon.domain.event import TIME
from ratoon.domain.replay import Draw
from ratoon.domain.schema import TowerSchema
from ratoon.domain.window import Window
from ratoon.features.examples import sampling
from ratoon.features.examples.files import ExampleFile
from ratoon.features.examples.folder import add, files_of, merge, only_one
from ratoon.features.offline.entities import Entities
from ratoon.features.offline.join import features_as_of
from ratoon.features.repository import FeastRepository
from ratoon.ports import EventLog

KEPT = ("offset", "user_id", "item_id", "type", "value", "event_timestamp")
"""The columns of an interaction that examples keep."""

ARRIVAL = "created_timestamp"
"""The log's column that says when an interaction arrived: what arrived before it, its example may see."""

RULES = "joins 3"
"""Which rows an example may see and how files hold them, as a version: files of another one are not read."""


def point_in_time(
    repository: FeastRepository, entities: pa.Table, references: Sequence[str], *, arrival: str = "event_timestamp"
) -> pa.Table:
    """Features as of each entity row's event_timestamp, of rows that had arrived by its `arrival`, in the caller's order.

    Args:
        entities: join keys, `event_timestamp` and the column that `arrival` names.
        references: `view:feature` names.

    Returns:
        `entities` followed by one column per reference, typed as the views declare.
    """
    types = {f"{view.name}:{field.name}": field.arrow for view in repository.views for field in view.fields}
    asked: dict[str, list[str]] = {}
    for reference in references:
        view, _, feature = reference.partition(":")
        asked.setdefault(view, []).append(feature)
    sides = [repository.side(view, tuple((name, f"{view}:{name}") for name in features)) for view, features in asked.items()]
    rows = Entities.of(entities, "event_timestamp", arrival)
    joined = features_as_of(rows, sides, repository.engine)
    columns = {name.partition(":")[2]: pc.cast(joined[name], types[name], safe=False) for name in references}
    return pa.table({**_columns(entities), **columns})


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


class Examples:
    """The cache: example files, one folder per rules, schema and folds, under `features/examples/`."""

    def __init__(self, repository: FeastRepository, log: EventLog, schema: TowerSchema, references: Sequence[str]) -> None:
        """Args: references: every input of both towers, as Feast names it."""
        self._repository, self._log, self._references = repository, log, references
        used = {reference.partition(":")[0] for reference in references}
        editions = sorted(view.edition for view in repository.views if view.name in used)
        self.folder = repository.folder / "examples" / durable.sha256("\n".join([RULES, schema.hash, *editions]).encode())[:16]

    def read(self, after: int, upto: int) -> pa.Table:
        """Interactions with after < offset <= upto, joined; by offset."""
        with self._files(upto) as files:
            table = self._by_offset([file.whole() for file in files if file.last > after])
        offsets = table.column("offset")
        return table.filter(pc.and_(pc.greater(offsets, after), pc.less_equal(offsets, upto))).combine_chunks()

    def replayed(self, window: Window, draw: Draw) -> pa.Table:
        """A sample of the train rows before `window`, joined; by offset. Only the files' row groups it is in are read."""
        with self._files(window.start) as files:
            return self._by_offset(sampling.replayed(files, window, draw))

    def newest(self, window: Window, split: Split, count: int) -> pa.Table:
        """The newest `count` rows before `window` of a part other than train, joined; by offset. Older ones are not read."""
        with self._files(window.start) as files:
            return self._by_offset(list(sampling.newest(files, window, split, count)))

    def older(self, window: Window, split: Split, before: int, count: int) -> pa.Table:
        """Up to `count` rows of a part other than train below an offset, from all over the past; see `sampling.older`."""
        with self._files(window.start) as files:
            return self._by_offset(sampling.older(files, window, split, before, count))

    @contextmanager
    def _files(self, upto: int) -> Iterator[list[ExampleFile]]:
        """The files that hold every interaction up to `upto`, by offset, and perhaps later ones; nobody else changes them."""
        with only_one(self.folder):
            reached = max((file.last for file in files_of(self.folder)), default=0)
            if reached < upto:
                merge(self.folder)
                events = self._log.read(reached, upto)
                interactions = events.filter(pc.equal(events.column("kind"), "interaction"))
                add(self.folder, reached, upto, self._joined(interactions.select([*KEPT, ARRIVAL])))
            yield [file for file in files_of(self.folder) if file.first < upto]

    def _by_offset(self, tables: Sequence[pa.Table]) -> pa.Table:
        nothing = pa.schema(_KEPT_SCHEMA).append(pa.field(ARRIVAL, TIME)).empty_table()
        return pa.concat_tables(tables or [self._joined(nothing)]).sort_by("offset").combine_chunks()

    def _joined(self, events: pa.Table) -> pa.Table:
        keys = events.select(["user_id", "item_id", "event_timestamp", ARRIVAL])
        features = point_in_time(self._repository, keys, self._references, arrival=ARRIVAL)
        return pa.table({**_columns(events.drop_columns([ARRIVAL])), **_columns(features.drop_columns(keys.column_names))})


_KEPT_SCHEMA = [
    pa.field("offset", pa.int64()),
    pa.field("user_id", pa.string()),
    pa.field("item_id", pa.string()),
    pa.field("type", pa.string()),
    pa.field("value", pa.float64()),
    pa.field("event_timestamp", TIME),
]


def items_as_of(repository: FeastRepository, ids: Sequence[str], as_of: datetime, references: Sequence[str]) -> pa.Table:
    """Item features just after `as_of`, one row per id, in order."""
    moment = as_of + timedelta(microseconds=1)
    keys = pa.table({"item_id": pa.array(ids, pa.string()), "event_timestamp": pa.array([moment] * len(ids), TIME)})
    return point_in_time(repository, keys, references).drop_columns(["event_timestamp"])
