"""Files -> packed rows -> online store: materialisation, whoever drives it.

The store itself remembers, per view and file, which event times of it are in: `since` and `until`, both included. What has
arrived since is therefore known by files and not by timestamps, and a row that is stamped early and arrives late is served.
The memory of a file is written after the last of its rows, so a run that dies goes on where it stopped; rows written twice
are the same rows, and the store's guard keeps newer ones.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon import durable
from ratoon.domain.errors import DataError
from ratoon.features.online.keys import key_column
from ratoon.features.online.pack import Packed, pack, to_list
from ratoon.features.online.sources import DataFile, Source, files, read, require_features, rows_in
from ratoon.features.online.store import Batch, RowStore, arrived

EVER = 2**63 - 1
NOBODY = ("__dummy_id", "STRING")
"""The join key that Feast gives to views about no entity; its value is empty."""

Tell = Callable[[int, int], None]
"""Hears how many rows are done, of how many."""


@dataclass(frozen=True)
class Goal:
    """What a run is to bring.

    Attributes:
        kind: `between`: rows of these times, in every file, whatever was done before. `onwards`: what was asked for in
            earlier runs and has arrived since, and rows up to `end`. `all`: every row that is not in yet.
        start, end: microseconds since 1970, both included; `all` ignores them.
    """

    kind: Literal["between", "onwards", "all"]
    start: int = -EVER
    end: int = EVER


@dataclass(frozen=True)
class Filled:
    """What a run brought: how many rows it read, and their oldest and newest event times (0 without rows)."""

    rows: int = 0
    oldest: int = 0
    newest: int = 0

    def __add__(self, other: "Filled") -> "Filled":
        if not (self.rows and other.rows):
            return self if self.rows else other
        return Filled(self.rows + other.rows, min(self.oldest, other.oldest), max(self.newest, other.newest))


@dataclass(frozen=True)
class _Share:
    """What one file is still to give, and what it has given then; None if that is to be forgotten again."""

    file: DataFile
    intervals: tuple[tuple[int, int], ...]
    covered: tuple[int, int] | None


def fill(store: RowStore, source: Source, goal: Goal, tell: Tell = lambda _done, _all: None, *, empty: bool = False) -> Filled:
    """Bring the rows of `goal` from a view's files into the store.

    Args:
        empty: whether a source without a single file is right; it never is once there were some.

    Raises:
        DataError: naming view, file and column, if a file cannot be used; nothing of that file is remembered as done.
        StoreError: if the store cannot be written.
    """
    store.prepare([source.view])
    there, kind = files(source), arrived(source.view, source.layout)
    known = {path: json.loads(text) for path, text in store.notes(kind).items()}
    if not there and (known or not empty):
        raise DataError(
            f"source of feature view {source.view!r}",
            expected=f"files at {source.path}",
            found="none" if not known else f"none, where there were {len(known)}",
            fix="Bring them back, or correct the source's path; what is online stays as it was.",
        )
    shares = [share for file in there if (share := _share(file, known, goal)) is not None]
    require_features(source, [share.file for share in shares], there)
    total, done, filled = sum(rows_in(source, share.file) for share in shares), 0, Filled()
    for share in shares:
        for chunk in read(source, share.file):
            filled += write(store, source, _within(chunk, share.intervals))
            done += chunk.num_rows
            tell(done, total)
        durable.fault_point("online.file")
        if share.covered is not None:
            note = {"stamp": share.file.stamp, "since": share.covered[0], "until": share.covered[1]}
            store.write([], {kind: {share.file.path: json.dumps(note)}})
    _forget_gone(store, kind, known, there)
    return filled


def _forget_gone(store: RowStore, kind: str, known: dict[str, dict[str, object]], there: Sequence[DataFile]) -> None:
    gone = known.keys() - {file.path for file in there}
    if gone:
        store.write([], {kind: dict.fromkeys(sorted(gone))})


def _share(file: DataFile, known: dict[str, dict[str, int]], goal: Goal) -> _Share | None:
    entry = known.get(file.path)
    if entry is not None and str(entry["stamp"]) != file.stamp:
        entry = None
    if goal.kind == "between":
        return _Share(file, ((goal.start, goal.end),), _after(goal, entry, first=not known))
    if entry is None:
        start = goal.start if goal.kind == "onwards" and not known else -EVER
        return _Share(file, ((start, goal.end),), (start, goal.end))
    before = ((-EVER, entry["since"] - 1),) if goal.kind == "all" and entry["since"] > -EVER else ()
    after = ((entry["until"] + 1, goal.end),) if entry["until"] < goal.end else ()
    covered = (-EVER if before else entry["since"], max(entry["until"], goal.end))
    return _Share(file, (*before, *after), covered) if before or after else None


def _after(goal: Goal, entry: dict[str, int] | None, *, first: bool) -> tuple[int, int] | None:
    """What is remembered after a run between two times: one interval, the older one unless the two meet.

    Of a file that arrived after earlier runs nothing is: a run onwards is still to look for its late rows.
    """
    if entry is None:
        return (goal.start, goal.end) if first else None
    if goal.start <= entry["until"] + 1 and entry["since"] <= goal.end + 1:
        return min(goal.start, entry["since"]), max(goal.end, entry["until"])
    return entry["since"], entry["until"]


def _within(chunk: pa.Table, intervals: Sequence[tuple[int, int]]) -> pa.Table:
    times = chunk.column("event_timestamp").cast(pa.int64())
    inside = [pc.and_(pc.greater_equal(times, start), pc.less_equal(times, end)) for start, end in intervals]
    mask = inside[0]
    for other in inside[1:]:
        mask = pc.or_(mask, other)
    return chunk.filter(mask)  # a row without a time is in no interval


def write(store: RowStore, source: Source, chunk: pa.Table) -> Filled:
    """Write the newest row of each entity; a row without an entity's key is nobody's, as in joins, and left out."""
    for name, _ in source.keys:
        chunk = chunk.filter(pc.is_valid(chunk.column(name)))
    if not chunk.num_rows:
        return Filled()
    store.write([newest_rows(source, chunk)])
    times = np.asarray(chunk.column("event_timestamp").cast(pa.int64()))
    return Filled(len(times), int(times.min()), int(times.max()))


def newest_rows(source: Source, chunk: pa.Table) -> Batch:
    """Rows as `sources.read` gives them, packed: one per entity, the newest by event time, arrival and place."""
    times = np.asarray(chunk.column("event_timestamp").cast(pa.int64()))
    arrivals = _arrivals(chunk)
    keys = _keys(source, chunk)
    order = _last(keys, times, arrivals)
    kept = chunk.take(pa.array(order))
    times, arrivals = times[order], None if arrivals is None else arrivals[order]
    rows = pack(source.layout, kept, times, arrivals)
    stored = np.full(len(times), -(2**63)) if arrivals is None else arrivals
    return Batch(source.view, source.layout, Packed(to_list(keys.take(pa.array(order))), rows, times, stored))


def _arrivals(chunk: pa.Table) -> np.ndarray | None:
    if "created_timestamp" not in chunk.column_names:
        return None
    arrivals: np.ndarray = np.asarray(chunk.column("created_timestamp").cast(pa.int64()).fill_null(-(2**63)))
    return arrivals


def _keys(source: Source, chunk: pa.Table) -> pa.Array:
    if not source.keys:
        return key_column([NOBODY[0]], [NOBODY[1]], [pa.array([""] * chunk.num_rows, pa.string())])
    names, dtypes = zip(*source.keys, strict=True)
    return key_column(names, dtypes, [chunk.column(name).combine_chunks() for name in names])


def _last(keys: pa.Array, times: np.ndarray, arrivals: np.ndarray | None) -> np.ndarray:
    """Where each key's newest row is."""
    codes = np.asarray(keys.dictionary_encode().indices)
    order = np.lexsort((times, codes) if arrivals is None else (arrivals, times, codes))
    ranked = codes[order]
    return order[np.append(ranked[1:] != ranked[:-1], True)] if len(order) else order
