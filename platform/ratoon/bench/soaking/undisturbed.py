"""The same events learnt over the same windows by one process that nobody disturbs: what the final state has to equal.

A release is a function of its parent, its window, the seed and the code, and its id is the SHA-256 over parent, window and
tensors. Where windows end depends on when refreshes began, so they are taken from the disturbed run; everything else is made
anew from the events as they were before they were posted. Equal ids mean equal bytes of towers and index, release by release.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.bench.soaking.home import SURFACE, Home
from ratoon.domain.release import Release
from ratoon.features.deltas import files_of
from ratoon.refresh import refresh
from ratoon.wiring import House

Tell = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Made:
    """One release made again.

    Attributes:
        outcome: of the refresh.
        differing: names of files that are not the same; empty where the ids are equal.
    """

    sequence: int
    disturbed: str
    undisturbed: str
    outcome: str
    differing: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether it is the same release."""
        return self.disturbed == self.undisturbed


def kept(home: Home) -> Home:
    """A copy of a home, to be learnt in undisturbed."""
    return Home(shutil.copytree(home.folder, beside(home.folder)), home.file)


def beside(folder: Path) -> Path:
    """Where the copy of a home lies."""
    return folder.with_name(f"{folder.name}-undisturbed")


def again(home: Home, events: pa.Table, chain: Sequence[Release], tell: Tell) -> tuple[House, list[Made]]:
    """Append the events and refresh at the end of each window of a chain of releases, then fill both feature stores.

    Args:
        home: as it was before any of the events.
        events: EVENT_SCHEMA, in the order in which they were posted.
        chain: what the disturbed run published after what it began with, oldest first.
    """
    house, found = home.house(), list[Made]()
    shop, begin = house.workshop(SURFACE), house.log.end()
    done = 0
    for number, wanted in enumerate(chain):
        tell(f"undisturbed, release {wanted.sequence}", number / len(chain))
        house.log.append(events.slice(done, wanted.window.end - begin - done))
        done = wanted.window.end - begin
        found.append(_made(refresh(shop, house.stopwatch()).outcome, wanted, house.registry(SURFACE).get(None)))
    house.log.append(events.slice(done))
    filled(house)
    return house, found


def _made(outcome: str, wanted: Release, here: Release) -> Made:
    names = sorted({*wanted.files, *here.files})
    differing = () if here.id == wanted.id else tuple(name for name in names if wanted.files.get(name) != here.files.get(name))
    return Made(wanted.sequence, wanted.id, here.id, outcome, differing)


def filled(house: House) -> None:
    """Bring both feature stores up to the log's end."""
    features = house.features(SURFACE)
    features.ingest()
    features.materialize()


def offline(house: House) -> dict[str, pa.Table]:
    """View -> all its offline rows, in an order that does not depend on the files that they lie in."""
    found = {}
    for view in house.applied() or ():
        parts = [pq.read_table(path) for _, path in sorted(files_of(view).items())]
        if parts:
            whole = pa.concat_tables(parts, promote_options="permissive")
            found[view.name] = whole.select(sorted(whole.column_names)).sort_by([(name, "ascending") for name in _keys(whole)])
    return found


def unlike(one: pa.Table, other: pa.Table) -> list[str]:
    """Columns that are not the same in both, a number that is none being equal to itself; all if the shapes differ."""
    if one.column_names != other.column_names or one.num_rows != other.num_rows:
        return sorted({*one.column_names, *other.column_names})
    return [name for name in one.column_names if not _same(one.column(name), other.column(name))]


def _same(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    return one.equals(other) or list(map(repr, one.to_pylist())) == list(map(repr, other.to_pylist()))


def _keys(table: pa.Table) -> list[str]:
    """Columns that order rows: ids and times, which name a row."""
    return [
        name
        for name in sorted(table.column_names)
        if name.endswith("_id") or pa.types.is_timestamp(table.schema.field(name).type)
    ]
