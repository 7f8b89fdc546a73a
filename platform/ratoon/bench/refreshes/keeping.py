"""What was measured last at full size: `results/refresh.json`, set by set, with its picture beside it.

Several sets may be measured at once, each by a process of its own: whoever keeps one holds the folder's lock meanwhile.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.bench.refreshes import curve

RESULTS = Path(__file__).parents[1] / "results" / "refresh.json"


def kept() -> dict[str, dict[str, Any]]:
    """Set -> stamp, rows and curves."""
    stored: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return stored


def keep(name: str, found: dict[str, Any]) -> None:
    """Put one set in place of what was kept of it before, and draw all anew."""
    with _alone(RESULTS.parent):
        stored = {**kept(), name: found}
        durable.write(RESULTS, json.dumps(stored, indent=1).encode() + b"\n")
        draw(RESULTS.with_suffix(".svg"), stored)


def draw(path: Path, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the picture of what was measured."""
    durable.write(path, curve.picture(found).encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While the body runs, no other process is in one for the same folder; the lock goes with the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
