"""Event log -> offline Parquet. Each view appends files and remembers its own position by their names."""

import fcntl
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.features.folds import profiles
from ratoon.features.folds.derive import out_of_range, records
from ratoon.features.folds.fold import Plan
from ratoon.features.folds.given import Unusable
from ratoon.features.folds.interactions import Step, step
from ratoon.features.folds.profiles import Record
from ratoon.features.folds.states import States
from ratoon.features.folds.texts import Encoder, embedded, equipped
from ratoon.features.views import View
from ratoon.ports import EventLog

EDITION = b"ratoon.edition"
"""Key in a file's metadata: the `View.edition` that its rows were derived by."""

CHUNK = 1_000_000
"""Events that are read and folded at once: what bounds memory."""

ENTRIES = 25_000_000
"""List entries of one column that are made at once."""

Progress = Callable[[int, int], None]
"""Told after each step: events done, events to do."""


def silent(_done: int, _all: int) -> None:
    """Nobody listens."""


def part_name(first: int, last: int) -> str:
    """The file that holds the rows of events with first < offset <= last."""
    return f"part-{first:012d}-{last:012d}.parquet"


_PARTS = part_name(0, 0).replace("0", "[0-9]")
"""What ingestion names its files; others may lie beside them."""


def position(folder: Path) -> int:
    """The newest offset whose rows a view's folder holds; 0 for none."""
    return max((int(part.stem.rpartition("-")[2]) for part in folder.glob(_PARTS)), default=0)


def ingest(
    views: Iterable[View], log: EventLog, quarantine: Path, told: Progress = silent, encoder: Encoder | None = None
) -> int:
    """Bring every view that events fill up to the log's end; return how many events were new to the view furthest behind.

    Safe to repeat and to kill: a file appears whole or not at all, and its name says what it holds. A view whose fields or
    folds have changed is derived anew from the whole log. A second ingestion waits for the first.

    Args:
        encoder: of the texts that are kept as vectors, see `ratoon.features.folds.texts`.

    Raises:
        UsageError: a view keeps vectors of texts, and there is no encoder.
    """
    filled, end = [view for view in views if view.origin != "foreign"], log.end()
    equipped(filled, encoder)
    with _alone(quarantine.parent):
        for view in filled:
            _begin(view)
        start = min((position(view.folder) for view in filled), default=end)
        chunk = _chunk(filled)
        for first in range(start, end, chunk):
            last = min(first + chunk, end)
            events = log.read(first, last)
            for view in filled:
                reached = position(view.folder)
                if reached < last:
                    fresh = events.filter(pc.greater(events.column("offset"), reached)) if reached > first else events
                    _advance(view, log, fresh, (reached, last), quarantine, encoder)
            told(last - start, end - start)
    durable.fault_point("ingest.done")
    return end - start


def _chunk(views: Iterable[View]) -> int:
    """How many events to take at once: fewer where lists are long."""
    plans = [Plan(view) for view in views if view.origin == "interaction"]
    longest = max((size for plan in plans for _, size in plan.lasts), default=1)
    return max(1, min(CHUNK, ENTRIES // longest))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "ingest.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _begin(view: View) -> None:
    """Forget the rows of another edition; make sure of the first, empty file, which says what edition this is."""
    first = view.folder / part_name(0, 0)
    if first.exists() and (pq.read_schema(first).metadata or {}).get(EDITION) != view.edition.encode():
        for part in sorted(view.folder.glob(_PARTS), reverse=True):  # the first one last: it says what to do
            part.unlink()
    if not first.exists() and position(view.folder) == 0:
        _write(view, view.arrow_schema.empty_table(), first)


def _advance(
    view: View, log: EventLog, events: pa.Table, span: tuple[int, int], quarantine: Path, encoder: Encoder | None
) -> None:
    """Write the part file of `events`, which arrived in `span`; then the states, which may lag behind it but never lead."""
    first, last = span
    new = events.filter(pc.equal(events.column("kind"), view.origin))
    if view.origin == "interaction":
        plan = Plan(view)
        states = _caught_up(plan, log, first)
        unusable = list(out_of_range(plan, new))
        done = _stepped(plan, states, log, new, first)
        table = done.rows()
    else:
        unusable = []
        table = _profiles(view, log, new, first, unusable)
        table = embedded(view, table, encoder) if encoder else table
    _report(unusable, quarantine / f"{view.name}-{first}-{last}.jsonl")
    durable.fault_point("ingest.view")
    _write(view, table, view.folder / part_name(first, last))
    if view.origin == "interaction":
        durable.fault_point("ingest.state")
        states.save(done.states(), last)


def _caught_up(plan: Plan, log: EventLog, position: int) -> States:
    """The view's states, replayed up to where its part files are."""
    states = States(plan)
    if states.position > position:
        states.clear()
    while (reached := states.position) < position:
        last = min(reached + _chunk([plan.view]), position)
        events = log.read(reached, last)
        new = events.filter(pc.equal(events.column("kind"), "interaction"))
        states.save(_stepped(plan, states, log, new, reached).states(), last)
    return states


def _stepped(plan: Plan, states: States, log: EventLog, new: pa.Table, upto: int) -> Step:
    def history(entities: Sequence[str]) -> pa.Table:
        return log.history(plan.view.entity, entities, upto=upto)

    return step(plan, new, states.load, history)


def _profiles(view: View, log: EventLog, new: pa.Table, start: int, unusable: list[Unusable]) -> pa.Table:
    arrived = _by_entity(view, new)
    entities, rows = sorted(arrived), list[Record]()
    for group in range(0, len(entities), _ENTITIES):
        some = entities[group : group + _ENTITIES]
        past = log.history(view.entity, some, upto=start) if start else new.slice(0, 0)
        known = _by_entity(view, past.filter(pc.equal(past.column("kind"), view.origin)))
        for entity in some:
            rows.extend(profiles.feature_rows(view, known.get(entity, ()), arrived[entity], unusable))
    rows.sort(key=itemgetter("created_timestamp", "event_timestamp"))
    columns = {field.name: column([row[field.name] for row in rows], field.type) for field in view.arrow_schema}
    return pa.table(columns, schema=view.arrow_schema)


_ENTITIES = 10_000
"""How many entities' histories are read at once."""


def _by_entity(view: View, events: pa.Table) -> dict[str, list[Record]]:
    grouped: dict[str, list[Record]] = {}
    for event in sorted(records(events), key=itemgetter("offset")):
        grouped.setdefault(str(event[view.key]), []).append(event)
    return grouped


def _write(view: View, table: pa.Table, path: Path) -> None:
    flat = [field.name for field in table.schema if not pa.types.is_list(field.type)]  # ranges of lists help no reader
    with durable.writing(path) as file:
        marked = table.replace_schema_metadata({EDITION: view.edition})
        pq.write_table(marked, file, compression="zstd", write_statistics=flat)


def column(values: Sequence[object], of: pa.DataType) -> pa.Array:
    """An Arrow array of records' values; times come as microseconds."""
    if pa.types.is_timestamp(of):
        return pa.array(values, pa.int64()).cast(of)
    if pa.types.is_list(of) and pa.types.is_timestamp(of.value_type):
        return pa.array(values, pa.list_(pa.int64())).cast(of)
    return pa.array(values, of)


def _report(unusable: Sequence[Unusable], path: Path) -> None:
    if unusable:
        lines = [json.dumps({name: getattr(entry, name) for name in Unusable.__slots__}) for entry in unusable]
        durable.write(path, ("\n".join(lines) + "\n").encode())
