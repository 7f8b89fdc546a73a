"""Locks between processes, which the kernel releases when their holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratoon.domain.errors import Conflict


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on `path`; wait for it as long as it takes."""
    with _opened(path) as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def leased(path: Path, alone: str = "") -> Iterator[None]:
    """Hold the lock on `path` with our process id in it; Conflict, naming the holder, if it is taken.

    Args:
        alone: what the error says was expected; by default no other refresh.
    """
    with _opened(path) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                "lease",
                expected=alone or f"no other refresh of surface {path.parent.name!r}",
                found=f"process {os.read(handle, 20).decode() or 'that has just started'} at work",
                fix="Wait until it has finished; if it hangs, end that process and the lease is free.",
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield handle
    finally:
        os.close(handle)
