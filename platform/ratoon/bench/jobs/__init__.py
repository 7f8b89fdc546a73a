"""`ratoon bench jobs`: what runs by itself, and what it writes, against the bars it has to clear."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ratoon.bench.jobs.ingest import rows as ingest
from ratoon.bench.jobs.live import rows as live
from ratoon.bench.jobs.policies import rows as policies
from ratoon.bench.row import Row
from ratoon.domain.errors import UsageError

GROUPS: dict[str, Callable[[Path, float], list[Row]]] = {"ingest": ingest, "live": live, "policies": policies}
"""Name -> its rows, measured in an empty folder at a share of the size that the bars are for."""


def measure(folder: Path, only: str, scale: float, stamp: dict[str, str]) -> dict[str, Any]:
    """The table.

    Args:
        folder: where it is measured; the bars are for a disk, not for memory.
        only: names of groups, with commas; all by default.

    Raises:
        UsageError: there is no such group.
    """
    wanted = only.split(",") if only else list(GROUPS)
    if unknown := [name for name in wanted if name not in GROUPS]:
        raise UsageError("--only", expected=f"some of {', '.join(GROUPS)}", found=", ".join(unknown), fix="Name those.")
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in wanted:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            rows += [asdict(row) for row in GROUPS[name](Path(scratch), scale)]
    return {**stamp, "rows": rows}
