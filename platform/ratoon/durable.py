"""Files that survive a crash: written beside, synced, renamed; and the named points where a test may crash us.

This module knows bytes and paths. It does not know what they mean.
"""

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FAULT = "RATOON_FAULT"
"""Environment variable `POINT` or `POINT:N`: die by SIGKILL the Nth time that fault point is passed."""

UNFINISHED = ".*.new"
"""How files are called until they are whole; one that stays had a writer that died."""

_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Die here by SIGKILL if the environment asks for it; costs one dictionary look-up otherwise."""
    wanted = os.environ.get(FAULT)
    if wanted is None:
        return
    point, _, nth = wanted.partition(":")
    if point == name:
        _passed[name] = _passed.get(name, 0) + 1
        if _passed[name] == int(nth or 1):
            os.kill(os.getpid(), signal.SIGKILL)


def write(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a reader, even after a crash, sees the old bytes or the new, never a mix."""
    with writing(path) as file:
        file.write(data)


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Like `write`, for more bytes than one wants to hold; if the body raises, `path` stays as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fault_point("durable.before_rename")
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable (a rename is not, until its folder is synced)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(data: bytes) -> str:
    """The SHA-256 (FIPS 180-4) of `data`, in hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
