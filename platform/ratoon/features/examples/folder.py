"""A folder of example files: which of them count, when several become one, and how a person's rows leave all of them."""

import fcntl
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ratoon import durable
from ratoon.features.examples.files import GROUP, ExampleFile, write

MOST = 131_072
"""Rows of a file at most: old rows, of which a decaying replay needs few, do not lie among new ones."""

FAN = 8
"""How many files of a size become one."""

_NAMED = "[0-9]*-[0-9]*.parquet"


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Refreshes of several surfaces share a folder; one at a time reads or changes its files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def files_of(folder: Path) -> list[ExampleFile]:
    """The files by offset, without those whose rows are also in a wider one."""
    found = sorted((ExampleFile.at(path) for path in folder.glob(_NAMED)), key=lambda file: (file.first, -file.last))
    kept: list[ExampleFile] = []
    for file in found:
        if not kept or file.last > kept[-1].last:
            kept.append(file)
    return kept


def add(folder: Path, after: int, upto: int, table: pa.Table) -> None:
    """Keep the examples, by offset, of the interactions with after < offset <= upto; `upto` is beyond what is kept."""
    for begin in range(0, max(1, table.num_rows), MOST):
        rows = table.slice(begin, MOST)
        last = rows.column("offset")[-1].as_py() if begin + MOST < table.num_rows else upto
        write(_path(folder, after, last), rows)
        durable.fault_point("features.joined")
        after = last


def merge(folder: Path) -> None:
    """Make one file of the newest small ones, if there are enough of them; and delete what no longer counts."""
    if files := due(files_of(folder)):
        write(_path(folder, files[0].first, files[-1].last), pa.concat_tables([file.whole() for file in files]))
        durable.fault_point("features.merged")
        counting = {file.path for file in files_of(folder)}
        for path in set(folder.glob(_NAMED)) - counting:
            path.unlink()


def due(files: Sequence[ExampleFile]) -> Sequence[ExampleFile]:
    """The newest files that are to become one: at least FAN, each below a limit, at most MOST rows together.

    The limits grow by FAN, so a row is written again once per limit: a log-structured merge (O'Neil et al. 1996). The
    number of files is a few times FAN, and beyond that one per MOST rows or so.

    Args:
        files: by offset.
    """
    sizes: list[int] = []
    for file in reversed(files):
        if sum(sizes) + len(file) > MOST:
            break
        sizes.append(len(file))
    limit = GROUP
    while limit < MOST:
        limit *= FAN
        run = len(list(takewhile(limit.__gt__, sizes)))
        if run >= FAN:
            return files[len(files) - run :]
    return []


def forget(examples: Path, user_ids: Collection[str]) -> int:
    """Delete every example of some users, whatever schema it was joined for; return how many there were.

    Each file is replaced as a whole or not at all; a run that was cut off is completed by running it again.

    Args:
        examples: `features/examples/` of a home.
    """
    users, gone = pa.array(sorted(user_ids), pa.string()), 0
    for lock in sorted(examples.glob("*/.lock")):
        with only_one(lock.parent):
            for unfinished in lock.parent.glob(".*.new"):
                unfinished.unlink()
            for path in sorted(lock.parent.glob(_NAMED)):
                gone += _forget(path, users)
    return gone


def _forget(path: Path, users: pa.Array) -> int:
    """Delete some users' rows from one file; it is not touched if it has none."""
    with pq.ParquetFile(path) as file:
        theirs = pc.is_in(file.read(["user_id"]).column("user_id"), users)
        gone = int(pc.sum(theirs, min_count=0).as_py())
        rest = file.read().filter(pc.invert(theirs)) if gone else None
    if rest is not None:
        write(path, rest)
        durable.fault_point("examples.forgotten")
    return gone


def _path(folder: Path, first: int, last: int) -> Path:
    return folder / f"{first:012d}-{last:012d}.parquet"
