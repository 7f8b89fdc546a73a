"""`ratoon bench refresh`: every set that is there, walked, costed and kept; what is absent says so.

What was measured last at full size is kept, set by set; see `keeping`.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ratoon.bench.refreshes.costs import costs, fresh
from ratoon.bench.refreshes.home import Tell
from ratoon.bench.refreshes.keeping import keep
from ratoon.bench.refreshes.others import others
from ratoon.bench.refreshes.play import NEVER, K, Played, play
from ratoon.bench.refreshes.rows import Measured, Truths, best_retrain, compared, freshness_rows, rows_of
from ratoon.bench.refreshes.worlds import KINDS, Kind, open_world
from ratoon.bench.row import not_run
from ratoon.domain.errors import UsageError

QUESTIONS = 800
"""Interactions of each slice that are asked about, at scale 1."""

FRESH = "freshness"
"""The name under which rows are kept that belong to no set."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        scale: a share of each set's users, with the items they met.
        refreshes, seeds: of each set; a set may have less.
        minutes: by the wall, after which a set's walk ends with the next slice that retrains were asked about.
    """

    scale: float = 1.0
    refreshes: int = 30
    seeds: int = 3
    minutes: float = float("inf")

    @property
    def full(self) -> bool:
        """Whether the bars are for this size; what is measured at it is kept."""
        return self.scale == 1 and (self.refreshes, self.seeds) == Kind().most


def measure(
    folder: Path, feature_repo: Path, sets: Sequence[str], size: Size, stamp: dict[str, str], tell: Tell
) -> dict[str, dict[str, Any]]:
    """Measure the sets that `folder` holds: set -> stamp, rows and curves.

    At full size each is kept as soon as it is walked, and again when it was compared with others and costed.

    Args:
        sets: names of folders in `folder`; without any, all of `KINDS`, and `FRESH`.

    Raises:
        UsageError: a size is out of range, or `folder` is not there.
    """
    _check(folder, size)
    found: dict[str, dict[str, Any]] = {}
    for name in sets or [*KINDS, FRESH]:
        with tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch:
            for measured in _measured(Path(scratch), feature_repo, name, folder, size, tell):
                found[name] = {**stamp, **measured}
                if size.full and "absent" not in measured:
                    keep(name, found[name])
    return found


def _measured(scratch: Path, feature_repo: Path, name: str, folder: Path, size: Size, tell: Tell) -> Iterator[dict[str, Any]]:
    if name == FRESH:
        yield {"rows": [asdict(row) for row in freshness_rows(fresh(scratch, feature_repo, size.scale, tell))]}
    elif (folder / name).is_dir():
        yield from _set(scratch, feature_repo, name, folder / name, size, tell)
    else:
        row = not_run(f"{name}: recall@{K} and cost", "", f"{folder} has no folder {name}")
        yield {"absent": True, "rows": [asdict(row)]}


def _check(folder: Path, size: Size) -> None:
    if not 0.001 <= size.scale <= 1:
        raise UsageError("--scale", expected="0.001 to 1", found=str(size.scale), fix="The bars are for 1.")
    for name, value, least in (("--refreshes", size.refreshes, 2), ("--seeds", size.seeds, 1)):
        if value < least:
            raise UsageError(name, expected=f"at least {least}", found=str(value), fix="Ask for more.")
    if not folder.is_dir():
        fix = f"Pass --data with a folder that holds the sets as folders: {', '.join(KINDS)}."
        raise UsageError("--data", expected="a folder", found=str(folder), fix=fix)


def _set(scratch: Path, feature_repo: Path, name: str, folder: Path, size: Size, tell: Tell) -> Iterator[dict[str, Any]]:
    """One set, told whenever more of it is known: after the walk, with the others' answers, with the costs."""
    most = KINDS.get(name, Kind()).most
    world = open_world(name, folder, scratch, size.scale, min(size.refreshes, most[0]))
    questions, seeds = max(40, int(QUESTIONS * size.scale)), min(size.seeds, most[1])
    ends = time.monotonic() + 60 * size.minutes

    def heard(what: str, share: float) -> None:
        tell(f"{name}: {what}", share)

    played = play(scratch / "home", feature_repo, world, seeds, questions, heard, lambda: time.monotonic() > ends)
    one = Measured(name, played, len(world.bounds) - 1)
    yield _told(one, seeds)
    one = replace(one, baselines=others(scratch, world, played, heard))
    yield _told(one, seeds)
    yield _told(replace(one, costs=costs(scratch / "base", feature_repo, world, best_retrain(played), heard)), seeds)


def _told(one: Measured, seeds: int) -> dict[str, Any]:
    rows = [asdict(row) for row in rows_of(one)]
    return {"refreshes": max(one.played.slices), "seeds": seeds, "rows": rows, "curves": _curves(one)}


def _curves(one: Measured) -> dict[str, Any]:
    """Lines for the picture: recall of each slice, what the best retrain is ahead or behind, cost over the delta's size."""
    played, best = one.played, best_retrain(one.played)
    theirs, every = played.hits(best, K), np.ones(len(played.slices), np.bool_)
    hits = {policy: played.hits(policy, K) for policy in ("rows", "auto", NEVER)}
    recall = {policy: _by_slice(found, played, every) for policy, found in hits.items()}
    if one.baselines:
        other = one.baselines.best(K, every)
        recall[other] = _by_slice(one.baselines.hits(other, K), played, every)
    lines = {policy: _by_slice(found - theirs, played, compared(played)) for policy, found in hits.items()}
    cost = list(zip(one.costs.events, one.costs.refresh, strict=True)) if one.costs else []
    return {"best": best, "recall": recall, "difference": lines, "cost": cost}


def _by_slice(values: npt.NDArray[np.float64], played: Played, rows: Truths) -> list[tuple[int, float]]:
    """(slice, mean over its questions), over the questions `rows`."""
    slices = np.array(played.slices)
    return [(int(one), round(float(values[rows & (slices == one)].mean()), 5)) for one in np.unique(slices[rows])]
