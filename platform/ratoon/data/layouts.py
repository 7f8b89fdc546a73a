"""A folder of files -> events: recognise the layout by the names that are there, read it, and account for every row.

It does not know how the events are kept: the caller writes them to its log.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import polars as pl
import pyarrow as pa

from ratoon.data import films, generic, movielens, periods, rows, table
from ratoon.data.quarantine import Quarantine, Sheet
from ratoon.data.spool import Spool
from ratoon.domain.errors import DataError

Sheets = tuple[Iterator[Sheet], Sheet | None, Sheet | None]
"""Interactions in parts, items, users."""

Told = Callable[[int], None]
"""Hears how many interactions have been read so far."""

BATCH = 200_000
"""About so many events are given at once."""


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
class Stream:
    """What a folder holds, for one pass.

    Attributes:
        rows: how many events there are.
        batches: the events of `Import`, in its order, in tables of about `BATCH` rows; one moment is never in two.
        rejected, reasons: as in `Import`.
    """

    rows: int
    batches: Iterator[pa.Table]
    rejected: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Layout:
    names: str
    found: Callable[[Path], bool]
    read: Callable[[Path, Quarantine], Sheets]


def _all(names: tuple[str, ...]) -> Callable[[Path], bool]:
    return lambda folder: all((folder / name).is_file() for name in names)


LAYOUTS = (
    _Layout(" + ".join(movielens.RECBOLE), _all(movielens.RECBOLE), movielens.recbole),
    _Layout(" + ".join(movielens.CLASSIC), _all(movielens.CLASSIC), movielens.classic),
    _Layout(" + ".join(films.CSV), _all(films.CSV), films.csv),
    _Layout(" + ".join(films.DAT), _all(films.DAT), films.dat),
    _Layout(periods.NAMES, periods.found, periods.sessions),
    _Layout(generic.NAMES, generic.found, generic.tables),
)


def read(folder: Path, quarantine: Path) -> Import:
    """Everything `stream` gives, as one table; raises as it does."""
    with stream(folder, quarantine) as found:
        return Import(pa.concat_tables(found.batches).combine_chunks(), found.rejected, found.reasons)


@contextmanager
def stream(folder: Path, quarantine: Path, told: Told = lambda _: None, batch: int = BATCH) -> Iterator[Stream]:
    """Read a folder in one of `LAYOUTS`, holding a part of its interactions at once; the rest waits on disk.

    Users and items with features become events of their own, 1 s before their first interaction unless they carry a
    timestamp. Event ids follow from the content, so reading a folder twice gives the same events. A row that cannot be
    used goes to `quarantine`, a CSV file of file, line (of the source, from 1; the row number in Parquet), reason, row;
    with none there is no such file. A folder `import-...` beside it holds what is read until the body ends.

    Raises:
        DataError: no layout or more than one is there, a file or a column is wrong, or no interaction is good.
    """
    layout = _recognise(folder)
    quarantine.parent.mkdir(parents=True, exist_ok=True)
    beside = tempfile.TemporaryDirectory(prefix="import-", dir=quarantine.parent)
    with beside as scratch, closing(Quarantine()) as aside:
        parts, items, users = layout.read(folder, aside)
        spool, first, file = Spool(Path(scratch), max(1, batch // 12)), _First(), ""
        for part in parts:
            file, good = part.file, rows.interactions(part, aside)
            spool.add(good)
            first.add(good)
            told(spool.rows)
        shelf = [] if items is None else [first.events(items, "item", aside)]
        entities = shelf if users is None else [*shelf, first.events(users, "user", aside)]
        rejected = aside.write(quarantine)
        if not spool.rows:
            raise _nothing(file, aside, quarantine)
        total = spool.rows + sum(events.height for events in entities)
        yield Stream(total, _batches(spool, entities, batch), rejected, MappingProxyType(aside.reasons))


class _First:
    """When each user and item interacts for the first time."""

    def __init__(self) -> None:
        self._moments = {kind: pl.DataFrame(schema={kind: pl.String, "us": pl.Int64}) for kind in ("user", "item")}

    def add(self, good: pl.DataFrame) -> None:
        for kind, known in self._moments.items():
            new = good.group_by(kind).agg(pl.col("us").min())
            self._moments[kind] = pl.concat([known, new]).group_by(kind).agg(pl.col("us").min())

    def events(self, sheet: Sheet, kind: Literal["user", "item"], aside: Quarantine) -> pl.DataFrame:
        return table.entity_events(rows.entities(sheet, kind, aside), kind, self._moments[kind]).sort("us", maintain_order=True)


def _batches(spool: Spool, entities: list[pl.DataFrame], batch: int) -> Iterator[pa.Table]:
    # What happens before the first interaction or after the last goes with the span next to it.
    spans = list(pairwise(spool.spans(batch)))
    starts = [[0] + [events["us"].search_sorted(begin) for begin, _ in spans[1:]] + [events.height] for events in entities]
    for place, (begin, end) in enumerate(spans):
        beside = [events[at[place] : at[place + 1]] for events, at in zip(entities, starts, strict=True)]
        yield table.event_table([table.interaction_events(spool.read(begin, end)), *beside])


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
