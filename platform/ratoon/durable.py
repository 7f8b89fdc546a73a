"""Files that survive a crash: written beside, synced, renamed; and the named points where a test may make us fail.

This module knows bytes and paths. It does not know what they mean.
"""

import errno
import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

FAULT = "RATOON_FAULT"
"""Environment variable `POINT`, `POINT:N` or `POINT:N:HOW`: fail the Nth time that fault point is passed, in a way of `WAYS`."""

WAYS = ("kill", "term", "stop", "eio", "enospc", "oom")
"""By a signal: SIGKILL (the default), SIGTERM, SIGSTOP; or by an error: of a device, of a full disk, of memory."""

_SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "stop": signal.SIGSTOP}
_ERRORS = {"eio": errno.EIO, "enospc": errno.ENOSPC}

UNFINISHED = ".*.new"
"""How files are called until they are whole; one that stays had a writer that died."""

passed: list[str] = []
"""The fault points that this process has passed, in order, while `FAULT` is set."""


def fault_point(name: str) -> None:
    """Fail here if the environment asks for it; costs one dictionary look-up otherwise.

    Raises:
        OSError, MemoryError: as asked.
    """
    wanted = os.environ.get(FAULT)
    if wanted is None:
        return
    passed.append(name)
    point, _, rest = wanted.partition(":")
    nth, _, how = rest.partition(":")
    if point == name and passed.count(name) == int(nth or 1):
        _fail(name, how or "kill")


def _fail(point: str, how: str) -> None:
    if how in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[how])
    elif how in _ERRORS:
        raise OSError(_ERRORS[how], os.strerror(_ERRORS[how]), point)
    else:
        raise MemoryError(point)


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
            fault_point("durable.written")
            file.flush()
            os.fsync(file.fileno())
        fault_point("durable.before_rename")
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    fault_point("durable.renamed")
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
