"""The files that indexes are mapped from, made once per snapshot and machine.

    <folder>/<SHA-256 of index.safetensors>.<length of vectors>.ivf     what FAISS maps
            /<the same>.ivf.sha256                       the SHA-256 of that file, written last: without it the file is nothing
            /.lock                                       held while one is looked for, made or removed

All of it can be deleted: what is missing is made from the release.
"""

import fcntl
import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from ratoon import durable
from ratoon.domain.dial import filled_up
from ratoon.index.mapped.fixed import Base, filled
from ratoon.index.mapped.lists import MappedLists
from ratoon.index.stored import Written

logger = logging.getLogger("ratoon.index")

KEPT = 2
"""Files that stay though nobody maps them: for a restart, and for a release that is rolled back to."""


class MappedFiles:
    """Files in a folder, which other processes use at the same time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def laid(self, written: Written) -> MappedLists:
        """What was written, mapped from its file, which is made if it is missing or damaged; the latter is logged.

        What is put in order by the vectors themselves lies there as float16: codes would need a second file.
        """
        if written.shape.codec == "sq4":
            written = replace(written, shape=replace(written.shape, codec="fp16", trained=np.empty(0, np.float32)))
        # The length is FAISS's own: a file that was made with another one cannot be searched by today's queries.
        length = filled_up(written.shape.centroids.shape[1], written.shape.codec)
        path = self._folder / f"{durable.sha256(written.data)}.{length}.ivf"
        with self._alone():
            if not _whole(path):
                _make(path, written)
            base = Base(path, written.shape)
            os.utime(path)
            self._tidy(KEPT)
        return MappedLists(base)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def cleared(self, kept: int, *, dry_run: bool = False) -> list[Path]:
        """Remove all files that nobody maps but the newest `kept`; which they were."""
        if not self._folder.exists():
            return []
        with self._alone():
            return self._tidy(kept, dry_run=dry_run)

    def _tidy(self, kept: int, *, dry_run: bool = False) -> list[Path]:
        """Remove what a process left that died writing, too."""
        files = sorted(self._folder.glob("*.ivf"), key=lambda file: file.stat().st_mtime_ns)
        gone = [old for old in files[: max(len(files) - kept, 0)] if not _mapped(old)]
        if not dry_run:
            for left in self._folder.glob(".*.new"):
                left.unlink()
            for old in gone:
                old.unlink()
                _seal(old).unlink(missing_ok=True)
        return gone


def _seal(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _whole(path: Path) -> bool:
    """Whether a file is there, and says what it said when it was made."""
    if not path.exists() or not _seal(path).exists():
        return False
    expected, found = _seal(path).read_text(), durable.sha256_file(path)
    if found != expected:
        logger.warning("%s: expected the SHA-256 %s, found %s; it is made anew from the release", path, expected, found)
    return found == expected


def _make(path: Path, written: Written) -> None:
    digest = hashlib.sha256()
    with durable.writing(path) as file:

        def take(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        writer: Any = faiss.PyCallbackIOWriter(take)  # type: ignore[attr-defined]  # missing in FAISS's stubs
        faiss.write_index(filled(written.shape, written.lists, written.codes), writer)
    durable.fault_point("mapped.made")
    durable.write(_seal(path), digest.hexdigest().encode())


def _mapped(path: Path) -> bool:
    """Whether a process maps this file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
