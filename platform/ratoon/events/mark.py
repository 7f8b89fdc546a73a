"""How far the log was acknowledged, kept beside it: a damaged write-ahead log is cut by SQLite without a word.

It is written after each commit and not synced, so that it may be behind after the machine went down, and is never ahead.
"""

import os
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ratoon.domain.errors import StoreError


class Mark:
    """A file with one number and its checksum; one that cannot be read says nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def write(self, end: int) -> None:
        """Note that everything up to this offset is on disk."""
        number = b"%020d" % end
        with suppress(OSError):  # it is on disk all the same: the mark may be behind
            os.pwrite(self._file, b"%s %08x\n" % (number, zlib.crc32(number)), 0)

    def check(self, log: Path, end: Callable[[], int]) -> None:
        """Compare with the log's end, which others may move at that moment.

        Raises:
            StoreError: the log is shorter than it was.
        """
        number, _, crc = os.pread(self._file, 30, 0).partition(b" ")
        if not crc or b"%08x\n" % zlib.crc32(number) != crc:
            return
        known, found = int(number), end()
        if found < known:
            raise StoreError(
                str(log),
                expected=f"the events up to offset {known}, which were acknowledged",
                found=f"{found} events: its write-ahead log was damaged or taken away",
                fix=f"Restore it from a backup; remove {self._path} to go on without what is missing.",
            )
