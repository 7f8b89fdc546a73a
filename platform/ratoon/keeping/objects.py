"""Bytes under their SHA-256, in a folder that several backups share: what is there already is not written again.

<folder>/objects/3f/3fa9c1...      written beside, synced, renamed; readable by its owner alone
"""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import StoreError
from ratoon.domain.retention import unnamed

SQLITE = b"SQLite format 3\0"
"""How a file begins that is copied by SQLite's own online backup and not byte by byte."""

AGAIN = 5
"""How often a file that changes while it is read is read again."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object."""

    sha256: str
    size: int


class Objects:
    """The objects in a folder. One process writes at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "objects"

    def path(self, sha256: str) -> Path:
        """Where an object is, or would be."""
        return self._folder / sha256[:2] / sha256

    def add(self, path: Path) -> Stored:
        """Keep a file's bytes as they are now.

        Raises:
            FileNotFoundError: it is gone.
            StoreError: it changes faster than it can be read, or is an SQLite file that cannot be read.
        """
        for _ in range(AGAIN):
            if _is_sqlite(path):
                return self._kept(lambda beside: _snapshot(path, beside))
            known = Stored(durable.sha256_file(path), path.stat().st_size)
            if self._there(known):
                return known
            made = self._kept(lambda beside: shutil.copyfile(path, beside))
            if made == known:
                return made
        raise StoreError(
            str(path),
            expected="a file that stays as it is while it is copied",
            found=f"another one, {AGAIN} times",
            fix="See who writes to it; no backup was made.",
        )

    def check(self, stored: Stored) -> None:
        """StoreError if an object is missing, or has other bytes than its name says."""
        path = self.path(stored.sha256)
        found = durable.sha256_file(path) if path.exists() else "no such file"
        if found != stored.sha256:
            fix = "Use an older backup, or make one anew in an empty folder."
            raise StoreError(str(path), expected=f"SHA-256 {stored.sha256}", found=found, fix=fix)

    def clear(self, named: Collection[str]) -> int:
        """Delete what no backup names, and what was never finished; how many bytes."""
        there = {path.name: path for path in self._folder.glob("*/*")}
        gone = sorted(unnamed(there, [named]))
        freed = sum(there[name].stat().st_size for name in gone)
        for name in gone:
            there[name].unlink()
        return freed

    def _there(self, stored: Stored) -> bool:
        path = self.path(stored.sha256)
        return path.exists() and path.stat().st_size == stored.size

    def _kept(self, copy: Callable[[Path], object]) -> Stored:
        with self._beside() as beside:
            copy(beside)
            stored = _synced(beside)
            if self._there(stored):
                return stored
            path = self.path(stored.sha256)
            path.parent.mkdir(exist_ok=True)
            durable.fault_point("backup.object")
            beside.replace(path)
        durable.sync_folder(path.parent)
        return stored

    @contextmanager
    def _beside(self) -> Iterator[Path]:
        folder = self._folder / "new"
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / str(os.getpid())
        beside.unlink(missing_ok=True)
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield beside
        finally:
            beside.unlink(missing_ok=True)


def _synced(path: Path) -> Stored:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return Stored(digest, path.stat().st_size)


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _snapshot(path: Path, beside: Path) -> None:
    """An SQLite file as of one moment, in one step: nobody is kept from writing, and nothing written since is in it.

    Raises:
        StoreError: it cannot be copied, or its pages are not as SQLite wrote them: a copy would outlive the sound ones before it.
    """
    try:
        reading = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)
        with closing(reading) as source, closing(sqlite3.connect(beside)) as copy:
            source.backup(copy)
            # Without a write-ahead log of its own the copy is one file.
            copy.execute("PRAGMA journal_mode = DELETE")
            (complaint,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if complaint != "ok":
                raise sqlite3.DatabaseError(complaint)
    except sqlite3.Error as error:
        fix = "No backup was made. Check the disk of both; a damaged file comes back by `ratoon restore` from an earlier one."
        raise StoreError(str(path), expected="a sound SQLite file that can be copied", found=str(error), fix=fix) from error
