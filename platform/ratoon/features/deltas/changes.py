"""What changed between two positions of a view, as rows that came and rows that went.

The difference is taken between multisets of whole rows: the rows of all files that came, less the rows of all files that
went. So a row that was only moved, by a rewritten or compacted file, is in neither; and a copy of the table from which `gone` is
taken away and to which `rows` are added is the table again, whatever happened to the files in between.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ratoon.domain.errors import UsageError
from ratoon.features.deltas.positions import Position, reach
from ratoon.features.deltas.rowhash import to_words
from ratoon.features.deltas.sidecars import HASH, Read, Sidecars, no_rows, read
from ratoon.features.views import View


@dataclass(frozen=True, slots=True)
class Stats:
    """What a delta cost, beside what reading the whole view would.

    Attributes:
        bytes_read: by hashing files, reading their rows and reading sidecars.
        bytes_of_scan: of all the view's files.
        files_read, files: how many had to be opened, of how many.
        row_groups: read.
        seconds: on the caller's clock.
        hashed: files whose content had to be hashed: new ones, changed ones, and all when nothing was remembered.
        rebuilt: files of `since` that were read only to remember their rows again.
        unknown: files of `since` that are gone and of whose rows nothing is known: rows they shared with files that came count
            as changed, and those that vanished with them are not in `gone`.
    """

    bytes_read: int
    bytes_of_scan: int
    files_read: int
    files: int
    row_groups: int
    seconds: float
    hashed: tuple[str, ...] = ()
    rebuilt: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changed:
    """One step of a view.

    Attributes:
        rows: what came: the view's key, fields and times, and HASH.
        gone: what went: HASH, key and times.
        position: where the next step begins; the caller keeps it.
    """

    rows: pa.Table
    gone: pa.Table
    position: Position
    stats: Stats


@dataclass(frozen=True, slots=True)
class Touched:
    """The entities of which some row came or went.

    Attributes:
        unknown: files of whose rows nothing is known, so that any entity may have been touched.
    """

    keys: frozenset[str]
    unknown: tuple[str, ...]


def changed(view: View, since: Position | None, state: Path, clock: Callable[[], float] = time.perf_counter) -> Changed:
    """The rows that came and went since a position; None for the beginning. Chained calls give each change once.

    Args:
        state: a folder for what is remembered of files; deleting it costs time and knowledge of vanished rows, nothing else.

    Raises:
        DataError: the source has vanished or a file cannot be read, see `reach` and `read`; no position was moved.
        UsageError: `since` is another view's position.
    """
    start, before = clock(), _own(view, since)
    now, sidecars = reach(view, state), Sidecars(view, state)
    came, went = _moved(before, now.position)
    costs, parts, rebuilt = list[Read](), dict[str, pa.Table](), list[str]()
    for name, file in now.files.items():
        new = file.digest in came
        if file.digest in parts or not (new or file.digest not in sidecars):
            continue
        costs.append(part := read(view, file))
        if file.digest not in sidecars:
            sidecars.write(file.digest, part.rows)
        if new:
            parts[file.digest] = part.rows
        else:
            rebuilt.append(name)
    rows = pa.concat_tables([no_rows(view), *(parts[digest] for digest in came)])
    lost, unknown = _loaded(sidecars, before, went)
    added, vanished = difference(rows, lost)
    opened = {*now.hashed, *rebuilt, *(name for name, file in now.files.items() if file.digest in parts)}
    stats = Stats(
        bytes_read=now.bytes_read + sum(part.bytes_read for part in costs) + sum(map(sidecars.size, set(went))),
        bytes_of_scan=sum(file.stamp[0] for file in now.files.values()),
        files_read=len(opened),
        files=len(now.files),
        row_groups=sum(part.row_groups for part in costs),
        seconds=clock() - start,
        hashed=now.hashed,
        rebuilt=tuple(rebuilt),
        unknown=unknown,
    )
    sidecars.collect([*now.position.files.values(), *before.files.values()])
    return Changed(rows.filter(added), lost.filter(vanished), now.position, stats)


def touched(view: View, since: Position | None, upto: Position, state: Path) -> Touched:
    """The entities that `changed` would name between two positions, from what is remembered of them alone.

    Neither position has to be the present one, so that work begun on a position can be done again after files have moved on.

    Raises:
        UsageError: a position is another view's.
    """
    before, after, sidecars = _own(view, since), _own(view, upto), Sidecars(view, state)
    came, went = _moved(before, after)
    new, unknown = _loaded(sidecars, after, came)
    old, unknown_too = _loaded(sidecars, before, went)
    added, vanished = difference(new, old)
    keys = {*new.filter(added).column(view.key).to_pylist(), *old.filter(vanished).column(view.key).to_pylist()}
    return Touched(frozenset(keys - {None}), (*unknown, *unknown_too))


def remember(view: View, since: Position | None, state: Path) -> Position:
    """The present position, with its rows remembered, so that `touched` knows them later.

    Args:
        since: a position whose rows must stay known.
    """
    before = _own(view, since)
    now, sidecars = reach(view, state), Sidecars(view, state)
    for file in now.files.values():
        if file.digest not in sidecars:
            sidecars.write(file.digest, read(view, file).rows)
    sidecars.collect([*now.position.files.values(), *before.files.values()])
    return now.position


def difference(new: pa.Table, old: pa.Table) -> tuple[pa.Array, pa.Array]:
    """Which rows of two tables have no equal in the other one, each equal counted once: two masks, by the column HASH."""
    words = np.concatenate([to_words(_whole(new)), to_words(_whole(old))])
    side = np.repeat([0, 1], [new.num_rows, old.num_rows])
    kept = np.ones(len(words), np.bool_)
    if new.num_rows and old.num_rows:
        order = np.lexsort((side, words[:, 0], words[:, 1]))
        sides, sorted_words = side[order], words[order]
        starts = np.flatnonzero(np.r_[True, (sorted_words[1:] != sorted_words[:-1]).any(axis=1)])
        sizes = np.diff(np.r_[starts, len(order)])
        olds = np.add.reduceat(sides, starts)
        news = sizes - olds
        rank = np.arange(len(order)) - np.repeat(starts, sizes) - np.where(sides == 1, np.repeat(news, sizes), 0)
        kept[order] = rank >= np.repeat(np.minimum(news, olds), sizes)
    return pa.array(kept[: new.num_rows]), pa.array(kept[new.num_rows :])


def _whole(table: pa.Table) -> pa.Array:
    column = table.column(HASH).combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)


def _own(view: View, position: Position | None) -> Position:
    if position is not None and position.view != view.name:
        raise UsageError(
            "position",
            expected=f"one of view {view.name!r}",
            found=f"one of view {position.view!r}",
            fix="Pass the position that an earlier delta of the same view gave.",
        )
    return position or Position(view.name)


def _moved(before: Position, after: Position) -> tuple[list[str], list[str]]:
    """The contents that came and that went, once for each file that has them; a renamed file is neither."""
    old, new = Counter(before.files.values()), Counter(after.files.values())
    return sorted((new - old).elements()), sorted((old - new).elements())


def _loaded(sidecars: Sidecars, position: Position, contents: Sequence[str]) -> tuple[pa.Table, tuple[str, ...]]:
    """The remembered rows of contents, and the files of `position` of whose rows nothing is known."""
    known = {digest: sidecars.load(digest) for digest in dict.fromkeys(contents)}
    unknown = tuple(sorted(name for name, digest in position.files.items() if digest in known and known[digest] is None))
    tables = [known[digest] for digest in contents]
    return pa.concat_tables([sidecars.empty(), *(table for table in tables if table is not None)]), unknown
