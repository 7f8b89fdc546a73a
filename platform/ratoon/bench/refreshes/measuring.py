"""`ratoon bench refresh`: every set that is there, walked, costed and kept; what is absent says so.

What was measured last at full size is kept in `results/refresh.json`, set by set, with its picture beside it.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ratoon import durable
from ratoon.bench.processes import finished
from ratoon.bench.refreshes import curve
from ratoon.bench.refreshes.costs import costs, fresh
from ratoon.bench.refreshes.home import Tell
from ratoon.bench.refreshes.play import NEVER, K, Played, play
from ratoon.bench.refreshes.rows import Baselines, Measured, best_retrain, compared, freshness_rows, rows_of
from ratoon.bench.refreshes.worlds import KINDS, Kind, World, open_world, past_of
from ratoon.bench.row import not_run
from ratoon.domain.errors import UsageError

RESULTS = Path(__file__).parents[1] / "results" / "refresh.json"
QUESTIONS = 800
"""Interactions of each slice that are asked about, at scale 1."""

FRESH = "freshness"
"""The name under which rows are kept that belong to no set."""


def measure(
    folder: Path,
    feature_repo: Path,
    sets: Sequence[str],
    size: tuple[float, int, int],
    stamp: dict[str, str],
    tell: Tell,
) -> dict[str, dict[str, Any]]:
    """Measure the sets that `folder` holds: set -> stamp, rows and curves. At full size each is kept as soon as it is measured.

    Args:
        sets: names of folders in `folder`; without any, all of `KINDS`, and `FRESH`.
        size: scale (a share of each set's users), refreshes, seeds; a set may have less of the last two.

    Raises:
        UsageError: a size is out of range, or `folder` is not there.
    """
    scale, refreshes, seeds = size
    _check(folder, scale, refreshes, seeds)
    found: dict[str, dict[str, Any]] = {}
    for name in sets or [*KINDS, FRESH]:
        with tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch:
            if name == FRESH:
                rows = freshness_rows(fresh(Path(scratch), feature_repo, scale, tell))
                found[name] = {**stamp, "rows": [asdict(row) for row in rows]}
            elif (folder / name).is_dir():
                found[name] = {**stamp, **_set(Path(scratch), feature_repo, name, folder / name, size, tell)}
            else:
                row = not_run(f"{name}: recall@{K} and cost", "", f"{folder} has no folder {name}")
                found[name] = {**stamp, "rows": [asdict(row)]}
                continue
        if (scale, refreshes, seeds) == (1, *Kind().most):
            _keep(name, found[name])
    return found


def kept() -> dict[str, dict[str, Any]]:
    """What was measured last at full size: set -> stamp, rows and curves."""
    stored: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return stored


def draw(path: Path, found: dict[str, dict[str, Any]]) -> None:
    """Write the picture of what was measured."""
    durable.write(path, curve.picture(found).encode())


def _keep(name: str, found: dict[str, Any]) -> None:
    stored = {**kept(), name: found}
    durable.write(RESULTS, json.dumps(stored, indent=1).encode() + b"\n")
    draw(RESULTS.with_suffix(".svg"), stored)


def _check(folder: Path, scale: float, refreshes: int, seeds: int) -> None:
    if not 0.001 <= scale <= 1:
        raise UsageError("--scale", expected="0.001 to 1", found=str(scale), fix="The bars are for 1.")
    for name, value, least in (("--refreshes", refreshes, 2), ("--seeds", seeds, 1)):
        if value < least:
            raise UsageError(name, expected=f"at least {least}", found=str(value), fix="Ask for more.")
    if not folder.is_dir():
        fix = f"Pass --data with a folder that holds the sets as folders: {', '.join(KINDS)}."
        raise UsageError("--data", expected="a folder", found=str(folder), fix=fix)


def _set(scratch: Path, feature_repo: Path, name: str, folder: Path, size: tuple[float, int, int], tell: Tell) -> dict[str, Any]:
    scale, refreshes, seeds = size
    most = KINDS.get(name, Kind()).most
    world = open_world(name, folder, scratch, scale, min(refreshes, most[0]))
    questions = max(40, int(QUESTIONS * scale))

    def heard(what: str, share: float) -> None:
        tell(f"{name}: {what}", share)

    played = play(scratch / "home", feature_repo, world, min(seeds, most[1]), questions, heard)
    heard("baselines", 0.0)
    baselines = _baselines(scratch, world, played)
    spent = costs(scratch / "base", feature_repo, world, best_retrain(played), heard)
    one = Measured(name, played, baselines, spent)
    return {
        "refreshes": len(world.bounds) - 1,
        "seeds": min(seeds, most[1]),
        "rows": [asdict(row) for row in rows_of(one)],
        "curves": _curves(one),
    }


def _baselines(scratch: Path, world: World, played: Played) -> Baselines:
    past, source, target = past_of(world), scratch / "world.npz", scratch / "answers.npz"
    bounds = np.searchsorted(past.positions, world.bounds)
    with source.open("wb") as file:
        np.savez(
            file,
            users=past.users,
            items=past.items,
            starts=bounds[:-1],
            stops=bounds[1:],
            asked=np.array([past.place(offset) for offset in played.offsets], np.int64),
            mask=np.int64(world.kind.mask_seen),
            sessions=np.int64(world.kind.sessions),
        )
    said = finished("baselines", source, target, seconds=7_200)
    with np.load(target) as stored:
        return Baselines({name: stored[name] for name in said["seconds"]}, said["missing"], said["seconds"])


def _curves(one: Measured) -> dict[str, Any]:
    played, best, slices = one.played, best_retrain(one.played), np.array(one.played.slices)
    theirs, asked = played.hits(best, K), compared(played)
    lines = {
        policy: [
            (int(number), round(float((played.hits(policy, K) - theirs)[asked & (slices == number)].mean()), 5))
            for number in np.unique(slices[asked])
        ]
        for policy in ("rows", "auto", NEVER)
    }
    return {"best": best, "difference": lines, "cost": list(zip(one.costs.events, one.costs.refresh, strict=True))}
