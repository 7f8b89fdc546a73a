"""Vectors by slot in a file without a name: the machine keeps in memory what is asked for, and no more than it can spare."""

import mmap
import os
import tempfile
from weakref import finalize

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import StoreError


class Aside:
    """Rows of float32, as many as there is room for; what is in them is gone with the process.

    The file lies where the machine keeps what is temporary (TMPDIR): in memory if that is a file system in memory.

    Attributes:
        rows: shape (n, dim): a view that stays as it is when there is more room.
    """

    def __init__(self, dim: int) -> None:
        self.rows: Vectors = np.zeros((1, dim), np.float32)
        self._file = tempfile.TemporaryFile(prefix="ratoon-", buffering=0)  # noqa: SIM115  # as long as this is there
        finalize(self, self._file.close)

    def reach(self, count: int) -> None:
        """Have room for so many rows; StoreError, with all as it was, where the disk has none."""
        dim = self.rows.shape[1]
        size = 4 * count * dim
        try:
            # Room is taken at once: a page that finds none when it is written to would end the process.
            os.posix_fallocate(self._file.fileno(), 0, size)
            held = mmap.mmap(self._file.fileno(), size)
        except OSError as error:
            raise StoreError(
                tempfile.gettempdir(),
                expected=f"room for {size:,} bytes of vectors",
                found=str(error),
                fix="Make room there, or let TMPDIR name a folder that has it.",
            ) from error
        held.madvise(mmap.MADV_RANDOM)
        self.rows = np.frombuffer(held, np.float32).reshape(count, dim)
