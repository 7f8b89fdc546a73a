"""What is read by whoever learns from it: every row is compared with its seal, and that none is missing with what was noted."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.schema import Entity
from ratoon.events.notes import WHOLE, amiss, whole
from ratoon.events.rows import CHUNK, marks, table_of
from ratoon.events.seals import Seals, damaged, unsealed
from ratoon.events.tail import END, ROW

Asked = tuple[str, Sequence[object]]
Select = Callable[..., list[list[tuple[Any, ...]]]]
"""Statements and their parameters -> the rows of each, all of one moment."""

_READ = f'SELECT {ROW} FROM logged WHERE "offset" > ? AND "offset" <= ? ORDER BY "offset"'
_HISTORY = f"SELECT {ROW} FROM logged WHERE {{key}} IN ({{ids}}) ORDER BY {{key}}, event_timestamp, event_id"
_NOTED = "SELECT {key}, seals FROM {table} WHERE {key} IN ({ids})"
_UPTO = "SELECT upto FROM told"
_ODD = f"""
SELECT {ROW} FROM logged WHERE "offset" > ?1 AND "offset" <= (SELECT upto FROM told)
UNION ALL SELECT {ROW} FROM logged WHERE "offset" IN (SELECT value FROM json_each(?2))"""
_NEWEST = f'SELECT {ROW} FROM logged ORDER BY event_timestamp DESC, "offset" DESC LIMIT 1'
_LEAST, _MOST = 1_000, 100_000
"""Events that are gone through at once, at first and at most."""


class Checked:
    """Questions to a log whose answers are what was acknowledged, or StoreError.

    Args:
        path: the file's.
        select: asks it.
    """

    def __init__(self, path: Path, select: Select) -> None:
        self._path, self._select = path, select

    def read(self, after: int, upto: int) -> pa.Table:
        """The events with after < offset <= upto, by offset (LOG_SCHEMA); offsets begin at 1, whatever `after` says."""
        after = max(0, after)
        rows, ((end,),) = self._select((_READ, (after, upto)), (END, ()))
        logged = unsealed(self._path, rows)[0]
        if len(rows) != max(0, min(upto, end) - after):
            raise damaged(self._path, f"events {after + 1} to {min(upto, end)}", f"{len(rows)} of them")
        return logged

    def history(self, entity: Entity, ids: Sequence[str]) -> pa.Table:
        """All events of these users or items, by (entity id, event_timestamp, event_id); LOG_SCHEMA."""
        key, found = f"{entity}_id", [table_of([])]
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            places = marks(some)
            rows, noted, ((upto,),) = self._select(
                (_HISTORY.format(key=key, ids=places), some),
                (_NOTED.format(key=key, table=f"{entity}s", ids=places), some),
                (_UPTO, ()),
            )
            logged, seals = unsealed(self._path, rows)
            self._all_of(entity, logged, seals, dict(noted), upto)
            found.append(logged)
        return pa.concat_tables(found).combine_chunks()

    def _all_of(self, entity: Entity, logged: pa.Table, seals: Seals, noted: dict[str, int], upto: int) -> None:
        counts = pc.less_equal(logged.column("offset"), upto)
        if entity == "item":
            counts = pc.and_(counts, pc.not_equal(logged.column("kind"), "user"))
        own = logged.column(f"{entity}_id").combine_chunks().dictionary_encode()
        # Exact: seals have 32 bits, and float64 holds the sums of four million of them.
        sums = np.bincount(own.indices.to_numpy(), np.where(counts.to_numpy(), seals, 0), len(own.dictionary))
        found = {name: int(total) for name, total in zip(own.dictionary.to_pylist(), sums, strict=True) if total}
        wanted = {name: total for name, total in noted.items() if total}
        if found != wanted:
            name = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))[0]
            raise damaged(self._path, f"the events of {entity} {name!r} that were acknowledged", "others, by their checksums")

    def recent(self, upto: int, count: int, wanted: Callable[[pa.Table], pa.Table]) -> pa.Table:
        """The newest `count` of the events at offsets <= `upto` that are wanted, by offset."""
        (((end,),),) = self._select((END, ()))
        reached, size, found, much = min(upto, end), max(_LEAST, count), list[pa.Table](), 0
        while reached > 0 and much < count:
            first = max(0, reached - min(size, _MOST))
            found.append(wanted(self.read(first, reached)))
            reached, size, much = first, size * 2, much + found[-1].num_rows
        whole = pa.concat_tables(found[::-1]) if found else self.read(0, 0)
        return whole.slice(max(0, whole.num_rows - count))

    def newest(self) -> pa.Table:
        """The event that happened last; nothing without one."""
        return unsealed(self._path, self._select((_NEWEST, ()))[0])[0]

    def items(self, upto: int, without: Sequence[int]) -> None:
        """Compare what a catalogue is made of: notes as a whole, and the events of items of which something does not count."""
        (found,), rows = self._select((WHOLE, ()), (_ODD, (upto, json.dumps(list(without)))))
        whole(self._path, found)
        odd = pc.unique(unsealed(self._path, rows)[0].column("item_id")).drop_null().to_pylist()
        self.history("item", sorted(odd))

    def everything(self) -> None:
        """Compare all that there is; costs as much as reading it several times."""
        (((end,),),) = self._select((END, ()))
        for reached in range(0, end, _MOST):
            self.read(reached, min(reached + _MOST, end))
        self.items(end, ())
        for table, statement in zip(("users", "items"), amiss("users", "items"), strict=True):
            for (name,) in self._select((statement, ()))[0]:
                whose = f"the events of {table[:-1]} {name!r} that were acknowledged"
                raise damaged(self._path, whose, "others, by their checksums")
