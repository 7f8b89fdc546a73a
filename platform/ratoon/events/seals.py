"""A checksum in every row: SQLite has none of its own, and would hand out a damaged row as if it were sound.

A seal is a hash of everything that the row says. Whoever reads a row compares them; that no row is missing follows from offsets,
which have no gap, or from what the seals of a user or an item add up to (`notes`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.errors import StoreError
from ratoon.events.hashing import Hashes, of_events
from ratoon.events.rows import table_of

Seals = npt.NDArray[np.int64]
"""Shape (n,), each of 32 bits: more of them add up within what SQLite can count than a file has rows."""
Rows = Sequence[tuple[object, ...]]


def seals_of(logged: pa.Table, ids: Hashes | None = None) -> Seals:
    """Those of events of the log (LOG_SCHEMA); for `ids` see `of_events`."""
    hashes = of_events(logged, ids)
    return (hashes ^ (hashes >> np.uint64(32))).astype(np.uint32).view(np.int32).astype(np.int64)


def unsealed(path: Path, rows: Rows) -> tuple[pa.Table, Seals]:
    """Rows of the log with their seals behind, as a table (LOG_SCHEMA), and the seals.

    Raises:
        StoreError: a row is not what was acknowledged.
    """
    try:
        logged, seals = table_of([row[:-1] for row in rows]), np.array([row[-1] for row in rows], np.int64)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:  # a text may be a number, and a number a text
        raise damaged(path, "events as they were acknowledged", repr(error)) from error
    if not len(rows):
        return logged, seals
    wrong = np.flatnonzero(seals_of(logged) != seals)
    if len(wrong):
        offset = logged.column("offset")[int(wrong[0])].as_py()
        raise damaged(path, f"event {offset} as it was acknowledged", "another, by its checksum")
    return logged, seals


def damaged(path: Path, expected: str, found: str) -> StoreError:
    """The file is not as it was written."""
    fix = "Restore it from a backup; no more was read from it."
    return StoreError(str(path), expected=expected, found=f"{found}: the file is damaged", fix=fix)
