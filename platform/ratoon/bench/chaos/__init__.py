"""`ratoon bench chaos`: what goes wrong at every stage, done on purpose, and whether all holds that has to."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ratoon.bench.chaos.cells import Cell, left_out
from ratoon.bench.chaos.grid import show as show
from ratoon.bench.chaos.load import served
from ratoon.bench.chaos.matrix import Outcome, outcomes, prepared
from ratoon.bench.chaos.torrent import EVENTS, Poured, poured
from ratoon.bench.chaos.works import STAGES
from ratoon.bench.row import Row, at_least
from ratoon.domain.errors import UsageError

FAULTS_ROW = "distinct injected faults"
LEAST = 250
"""Distinct faults that are asked for."""
AT_ONCE = 2

Tell = Callable[[str, float], None]
"""Hears what was done, and which share of everything is done."""


def measure(folder: Path, feature_repo: Path, only: str, scale: float, stamp: dict[str, str], tell: Tell) -> dict[str, Any]:
    """The matrix.

    Args:
        folder: where its homes are made; on a disk, not in memory.
        only: names of stages, with commas; all by default, and then a million events and a server under load, too.
        scale: how many times each cell is played; below 1 that share of the cells.

    Raises:
        UsageError: there is no such stage.
    """
    wanted = [one.strip() for one in only.split(",")] if only else list(STAGES)
    if unknown := [name for name in wanted if name not in STAGES]:
        raise UsageError("--only", expected=f"some of {', '.join(STAGES)}", found=", ".join(unknown), fix="Name those.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        tell("making the world", 0.0)
        world = Path(scratch) / "world"
        chosen = _chosen([cell for cell in prepared(world, feature_repo) if cell.stage in wanted], scale)
        found = list[Outcome]()
        for one in outcomes(world, Path(scratch) / "cells", chosen, AT_ONCE):
            found.append(one)
            tell(f"{'RED' if one.wrong else 'green'}: {one.cell.name}", len(found) / len(chosen))
        torrent = None if only else poured(world, Path(scratch) / "torrent", tell)
        rows = _rows(found, torrent)
        if not only:
            rows += served(world, Path(scratch) / "load", tell)
    played = [{**asdict(one.cell), **asdict(one)} for one in found]
    return {
        **stamp,
        "rows": [asdict(row) for row in rows],
        "cells": played,
        "left_out": left_out([one.cell for one in found], wanted),
    }


def _chosen(cells: list[Cell], scale: float) -> list[Cell]:
    if scale >= 1:
        return cells * round(scale)
    count = max(1, round(len(cells) * scale))
    return [cells[place * len(cells) // count] for place in range(count)]


def _rows(found: Sequence[Outcome], torrent: Poured | None) -> list[Row]:
    red = [one for one in found if one.wrong]
    all_of: list[Outcome | Poured] = [*found, *([torrent] if torrent else [])]
    taken, lost, doubled = (sum(getattr(one, name) for one in all_of) for name in ("acknowledged", "lost", "doubled"))
    homes = f"in {len(found)} homes" + (f", and in one log that was struck {torrent.strikes} times" if torrent else "")
    names = ", ".join(one.cell.name for one in red[:3])
    return [
        at_least(FAULTS_ROW, len({one.cell for one in found}), LEAST, "stage x fault x place", "faults"),
        Row("faults without the required outcome", len(red), "faults", "= 0", not red, names or f"of {len(found)}"),
        *([at_least("acknowledged events", taken, EVENTS, homes, "events")] if torrent else []),
        Row("acknowledged events lost", lost, "events", "= 0", lost == 0, f"of {taken:,} {homes}"),
        Row("acknowledged events doubled", doubled, "events", "= 0", doubled == 0, f"of {taken:,} {homes}"),
    ]
