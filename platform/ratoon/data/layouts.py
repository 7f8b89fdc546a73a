"""A folder of files -> events: recognise the layout by the names that are there, read it, and account for every row.

It does not know how the events are kept: the caller writes them to its log.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pyarrow as pa

from ratoon.data import generic, movielens, rows, table
from ratoon.data.quarantine import Quarantine, Sheet
from ratoon.domain.errors import DataError

Sheets = tuple[Sheet, Sheet | None, Sheet | None]
"""Interactions, items, users."""


@dataclass(frozen=True, slots=True)
class Import:
    """What a folder held.

    Attributes:
        events: all good rows as `ratoon.domain.event.EVENT_SCHEMA`, sorted by event_timestamp, then event_id.
        rejected: rows in the quarantine file.
        reasons: reason -> how many of them.
    """

    events: pa.Table
    rejected: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Layout:
    names: str
    found: Callable[[Path], bool]
    read: Callable[[Path, Quarantine], Sheets]


def _all(names: tuple[str, ...]) -> Callable[[Path], bool]:
    return lambda folder: all((folder / name).is_file() for name in names)


def _any(names: list[str]) -> Callable[[Path], bool]:
    return lambda folder: any((folder / name).is_file() for name in names)


LAYOUTS = (
    _Layout(" + ".join(movielens.RECBOLE), _all(movielens.RECBOLE), movielens.recbole),
    _Layout(" + ".join(movielens.CLASSIC), _all(movielens.CLASSIC), movielens.classic),
    _Layout("interactions.parquet|csv", _any(generic.candidates("interactions")), generic.tables),
)


def read(folder: Path, quarantine: Path) -> Import:
    """Read a folder in one of three layouts: MovieLens 100K as RecBole or GroupLens has it, or the generic one.

    Users and items with features become events of their own, 1 s before their first interaction unless they carry a
    timestamp. Event ids follow from the content, so reading a folder twice gives the same events. A row that cannot be
    used goes to `quarantine`, a CSV file of file, line (of the source, from 1; the row number in Parquet), reason, row;
    with none there is no such file.

    Raises:
        DataError: no layout or more than one is there, a file or a column is wrong, or no interaction is good.
    """
    aside = Quarantine()
    sheets = _recognise(folder).read(folder, aside)
    interactions = rows.interactions(sheets[0], aside)
    items = None if sheets[1] is None else rows.entities(sheets[1], "item", aside)
    users = None if sheets[2] is None else rows.entities(sheets[2], "user", aside)
    rejected = aside.write(quarantine)
    if interactions.is_empty():
        raise _nothing(sheets[0].file, aside, quarantine)
    return Import(_events(interactions, items, users), rejected, MappingProxyType(aside.reasons))


def _events(interactions: pl.DataFrame, items: pl.DataFrame | None, users: pl.DataFrame | None) -> pa.Table:
    parts = [table.interaction_events(interactions)]
    if items is not None:
        parts.append(table.entity_events(items, "item", interactions))
    if users is not None:
        parts.append(table.entity_events(users, "user", interactions))
    return table.event_table(parts)


def _recognise(folder: Path) -> _Layout:
    found = [layout for layout in LAYOUTS if layout.found(folder)]
    if len(found) == 1:
        return found[0]
    looked_for = "; ".join(layout.names for layout in LAYOUTS)
    if found:
        raise DataError(
            str(folder),
            expected="the files of one layout",
            found=" and ".join(layout.names for layout in found),
            fix="Leave the files of one layout in the folder.",
        )
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    listed = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    raise DataError(
        str(folder),
        expected=f"a folder with the files of one layout ({looked_for})",
        found=listed or ("an empty folder" if folder.is_dir() else "no folder"),
        fix="Point at the folder that holds the files itself, or convert them to the generic layout.",
    )


def _nothing(file: str, aside: Quarantine, quarantine: Path) -> DataError:
    reasons = ", ".join(f"{count} x {reason}" for reason, count in aside.reasons.items())
    return DataError(
        file,
        expected="at least one good interaction",
        found=f"none ({reasons})" if reasons else "no rows",
        fix=f"The rejected rows are in {quarantine}." if reasons else "Write the interactions below the header.",
    )
