"""Where folds are carried on from: one row per entity, in files that mirror the part files, newest first.

    .state/state-<from>-<to>.arrow    the states, as of <to>, of the entities that have events with from < offset <= to

An entity's state is in the newest file that has it. States are derived: part files say how far a view has come, and states
that do not reach exactly that far are brought there or made anew by the caller. Only the rows asked for are read.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon import durable
from ratoon.features.folds.exact import Ints
from ratoon.features.folds.fold import Plan

EDITION = b"ratoon.edition"


def schema(plan: Plan) -> pa.Schema:
    """A state's columns: the newest interaction's place in order, totals, and the tail, one list per column."""
    fields = [("key", pa.string()), ("at", pa.int64()), ("newest", pa.string())]
    fields += [(f"total {name}", pa.int64()) for name in plan.totals]
    fields += [("tail time", pa.list_(pa.int64())), ("tail value", pa.list_(pa.float64()))]
    fields += [(f"tail {column}", pa.list_(pa.string())) for column in plan.texts]
    return pa.schema(fields).with_metadata({EDITION: plan.view.edition.encode()})


@dataclass(frozen=True, slots=True)
class _File:
    first: int
    last: int
    path: Path
    table: pa.Table


class States:
    """One view's states on disk. One process at a time."""

    def __init__(self, plan: Plan) -> None:
        """What a chain of files from offset 0 on holds; files beside that chain are removed."""
        self._folder, self._schema = plan.view.folder / ".state", schema(plan)
        self._files = self._chain()
        needed = {file.path for file in self._files}
        for path in self._folder.glob("*state-*"):
            if path not in needed:
                path.unlink()

    @property
    def position(self) -> int:
        """The offset that the states are as of."""
        return self._files[-1].last if self._files else 0

    def clear(self) -> None:
        """Forget everything."""
        for file in reversed(self._files):  # from the end, so that what is left by a crash still begins at 0
            file.path.unlink()
        self._files = []

    def load(self, keys: pa.Array) -> tuple[pa.Table, Ints]:
        """The states of those of `keys` that have one, in no order, and their places in `keys`."""
        found, places = [self._schema.empty_table()], [np.empty(0, np.int64)]
        missing: Ints = np.arange(len(keys))
        for file in reversed(self._files):
            rows = pc.index_in(keys.take(pa.array(missing)), file.table.column("key").combine_chunks())
            here = rows.is_valid().to_numpy(zero_copy_only=False)
            found.append(file.table.take(rows.drop_null()))
            places.append(missing[here])
            missing = missing[~here]
        return pa.concat_tables(found), np.concatenate(places)

    def save(self, states: pa.Table, last: int) -> None:
        """Keep these entities' states as of `last`; all others are unchanged since `position`.

        Files are merged while one is no larger than the next newer one, so there are about log2(entities) of them.
        """
        self._files.append(self._written(states, self.position, last))
        while len(self._files) > 1 and self._files[-2].table.num_rows <= self._files[-1].table.num_rows:
            older, newer = self._files[-2:]
            kept = older.table.filter(pc.invert(pc.is_in(older.table.column("key"), newer.table.column("key").combine_chunks())))
            self._files[-2:] = [self._written(pa.concat_tables([kept, newer.table]), older.first, newer.last)]
            older.path.unlink()
            newer.path.unlink()

    def _written(self, states: pa.Table, first: int, last: int) -> _File:
        path = self._folder / f"state-{first:012d}-{last:012d}.arrow"
        with durable.writing(path) as file, pa.ipc.new_file(file, self._schema) as writer:
            writer.write_table(states.combine_chunks().cast(self._schema))
        return _File(first, last, path, _opened(path))

    def _chain(self) -> list[_File]:
        """The files that lead from offset 0 on without a gap, the widest where several begin at one offset."""
        widest: dict[int, _File] = {}
        for path in sorted(self._folder.glob("state-*-*.arrow")):
            _, first, last = path.stem.split("-")
            try:
                table = _opened(path)
            except pa.ArrowInvalid:  # as good as missing: what it held is folded again
                continue
            if table.schema.equals(self._schema, check_metadata=True):
                widest[int(first)] = _File(int(first), int(last), path, table)
        chain, end = list[_File](), 0
        while end in widest:
            chain.append(widest.pop(end))
            end = chain[-1].last
        return chain


def _opened(path: Path) -> pa.Table:
    """A state file's rows, mapped: only what is looked at is read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
