"""Parquet files that somebody else writes: read whole or refused by name, never a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ratoon.domain.errors import DataError


@contextmanager
def reading(view: str, path: Path) -> Iterator[None]:
    """Read a file of a view in the body.

    Raises:
        DataError: the file is gone, cut short, or has not the columns that are read; names view and file.
    """
    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"file {path} of view {view!r}",
            expected="a whole Parquet file",
            found=" ".join(str(error).split()),
            fix="Write the file again, or take it away.",
        ) from error
