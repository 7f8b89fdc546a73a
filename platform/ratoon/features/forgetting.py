"""A person's rows leave the files under `features/` and the online store. The log is the caller's.

Files keep their names, which say up to which event they are, and lose rows; a file without a row of theirs is not touched.
Each is replaced whole, so a run that died is completed by running it again.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.features import views
from ratoon.features.deltas.sidecars import PACKED
from ratoon.features.examples import folder as examples
from ratoon.features.folds.fold import Plan
from ratoon.features.online.keys import text_keys
from ratoon.features.online.opening import Place

USER = "user_id"


def offline(features: Path, user_id: str, *, dry_run: bool) -> int:
    """Rows of Parquet files, of views and of published vectors; how many.

    Nothing may be ingested meanwhile.
    """
    gone = 0
    for path in _tables(features):
        with pq.ParquetFile(path) as file:
            if USER not in file.schema_arrow.names:
                continue
            theirs = pc.equal(pc.cast(file.read([USER]).column(USER), pa.string()), user_id).combine_chunks().fill_null(False)
            count = int(pc.sum(theirs, min_count=0).as_py())
            rest = file.read().filter(pc.invert(theirs)) if count and not dry_run else None
        gone += count
        if rest is not None:
            _replace(path, rest)
    return gone


def _tables(features: Path) -> Iterator[Path]:
    for path in sorted(features.rglob("*.parquet")):
        if "examples" not in path.relative_to(features).parts[:1]:
            yield path


def _replace(path: Path, table: pa.Table) -> None:
    flat = [field.name for field in table.schema if not pa.types.is_list(field.type)]
    with durable.writing(path) as file:
        pq.write_table(table, file, compression="zstd", write_statistics=flat)
    durable.fault_point("features.forgotten")


def remembered(features: Path, user_id: str, *, dry_run: bool) -> int:
    """Rows that are remembered of files, of those that have vanished too: key, times and hash; how many."""
    gone = 0
    for path in sorted((features / "deltas").rglob("*.arrow")):
        with pa.ipc.open_file(path) as source:
            table = source.read_all()
        if USER not in table.column_names:
            continue
        theirs = pc.equal(table.column(USER), user_id).combine_chunks().fill_null(False)
        if count := int(pc.sum(theirs, min_count=0).as_py()):
            gone += count
            if not dry_run:
                with durable.writing(path) as file, pa.ipc.new_file(file, table.schema, options=PACKED) as writer:
                    writer.write_table(table.filter(pc.invert(theirs)).combine_chunks())
    return gone


def joined(features: Path, user_id: str, *, dry_run: bool) -> int:
    """Training examples; how many."""
    folder = features / "examples"
    if not dry_run:
        return examples.forget(folder, [user_id])
    files = (pq.read_table(path, columns=[USER]).column(USER) for path in sorted(folder.glob("*/[0-9]*-[0-9]*.parquet")))
    return sum(int(pc.sum(pc.equal(column, user_id), min_count=0).as_py()) for column in files)


def folded(features: Path, user_id: str, event_ids: Sequence[str], *, dry_run: bool) -> int:
    """The states that folds are carried on from; how many files. Nothing may be ingested meanwhile.

    A view that folds users' ids into items' rows loses all its states, which are then made again from the log.

    Args:
        event_ids: of the user's events: an item's state has the id of its newest one.
    """
    written, gone = features / "views.json", 0
    for view in views.load(written) if written.exists() else ():
        for path in sorted((view.folder / ".state").glob("state-*.arrow")) if view.origin == "interaction" else ():
            with pa.memory_map(str(path)) as source:
                table = pa.ipc.open_file(source).read_all()
                rest = _unnamed(view, table, user_id, event_ids)
                if rest is table:
                    continue
                gone += 1
                if not dry_run:
                    _save(path, rest)
    return gone


def _unnamed(view: views.View, table: pa.Table, user_id: str, event_ids: Sequence[str]) -> pa.Table | None:
    """States without a user; the same ones if they do not name them, None if they cannot do without."""
    if view.entity == "item" and USER in Plan(view).texts:
        return None
    theirs = pc.equal(table.column("key"), user_id)
    if view.entity == "user" and pc.any(theirs, min_count=0).as_py():
        return table.filter(pc.invert(theirs))
    newest = table.column("newest")
    named = pc.is_in(newest, pa.array(event_ids, pa.string()))
    if not pc.any(named, min_count=0).as_py():
        return table
    # No id: what happens at the same moment then counts as later, and the other one is no more.
    return table.set_column(table.schema.get_field_index("newest"), "newest", pc.if_else(named, "", newest))


def _save(path: Path, states: pa.Table | None) -> None:
    if states is None:
        path.unlink()
        return
    with durable.writing(path) as file, pa.ipc.new_file(file, states.schema) as writer:
        writer.write_table(states.combine_chunks())


def online(features: Path, user_id: str, *, dry_run: bool) -> int:
    """The packed rows; how many views had one. StoreError if the store cannot be reached."""
    if not (features / "online.json").exists():
        return 0
    names = [view.name for view in views.load(features / "views.json") if view.online and view.entity == "user"]
    store = Place.load(features / "online.json").open()
    try:
        store.prepare(names)
        keys = text_keys(USER, [user_id])
        there = sum(rows[0] is not None for rows in store.rows(names, keys))
        if not dry_run:
            store.forget(keys)
    finally:
        store.close()
    return there


def database(features: Path) -> Path | None:
    """The file of the online store, where it is one."""
    place = Place.load(features / "online.json") if (features / "online.json").exists() else None
    return Path(place.address) if place is not None and place.kind == "sqlite" else None


def quarantined(quarantine: Path, user_id: str, events: Collection[tuple[int, str]], *, dry_run: bool) -> int:
    """Lines about a person's events, put aside, released or left out; how many. Nothing may be judged meanwhile.

    Args:
        events: offset and id of theirs, as they were in the log.
    """
    offsets, ids = {offset for offset, _ in events}, {event_id for _, event_id in events}

    def theirs(line: dict[str, Any]) -> bool:
        return line.get(USER) == user_id or line.get("offset") in offsets or line.get("event_id") in ids

    return sum(_without(path, theirs, dry_run) for path in sorted(quarantine.rglob("*.jsonl")))


def _without(path: Path, theirs: Callable[[dict[str, Any]], bool], dry_run: bool) -> int:
    lines = path.read_text().splitlines(keepends=True)
    rest = [line for line in lines if not theirs(json.loads(line))]
    if len(rest) < len(lines) and not dry_run:
        durable.write(path, "".join(rest).encode())
    return len(lines) - len(rest)


def named_by_items(features: Path) -> Sequence[str]:
    """The views whose rows of items hold users' ids: those rows stay as they are."""
    written = features / "views.json"
    there = views.load(written) if written.exists() else ()
    return [view.name for view in there if view.origin == "interaction" and view.entity == "item" and USER in Plan(view).texts]
