"""`ratoon bench index`: everything in its order, each part in a process of its own."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.bench.indexes import towers
from ratoon.bench.indexes.asking import RECALL
from ratoon.bench.indexes.histogram import picture
from ratoon.bench.indexes.mapping import WIDTH
from ratoon.bench.indexes.rivals import Rival, rivals
from ratoon.bench.indexes.rows import (
    bulk_rows,
    drift_rows,
    gpu_rows,
    mapped_rows,
    memory_rows,
    rival_rows,
    runbook_rows,
    search_rows,
    truth_rows,
)
from ratoon.bench.indexes.tower_rows import tower_rows, without_towers
from ratoon.bench.indexes.worlds import DIM, Tell, open_world
from ratoon.bench.processes import finished
from ratoon.bench.row import Row, not_run
from ratoon.domain.errors import UsageError
from ratoon.index import chosen

RESULTS = Path(__file__).parents[1] / "results" / "index.json"
ITEMS, PEERS, CHECKED = 1_000_000, 100_000, 1_000_000
DRIFTING, RUNBOOK, UNDER_CHECK = 100_000, 200_000, 100_000
"""Items of the drift, the most vectors of a runbook, and the items of the index whose answers are checked: more would take the
longest of all parts."""

TIMED = 20_000
"""Searches that are timed at each rate of changes."""

ON_GPU = 10
"""Times as many items on a GPU."""

LEAST = 1_000
PART_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        items: in the index; at most so many in the other parts.
        peers: items of the comparison with other libraries; without any it is left out.
        checked: answers that are checked while items change.
        runbooks: a folder of `*_runbook.yaml`; without one they are not replayed.
        towers: the folder of the set diginetica; without it nothing is measured on vectors of the real towers.
    """

    items: int = ITEMS
    peers: int = PEERS
    checked: int = CHECKED
    runbooks: Path | None = None
    towers: Path | None = None

    @property
    def full(self) -> bool:
        """Whether this is what the bars are for; what is measured at it is kept."""
        sizes = self.items == ITEMS and self.peers >= PEERS and self.checked >= CHECKED
        return sizes and self.runbooks is not None and self.towers is not None


def measure(cache: Path, size: Size, stamp: dict[str, str], tell: Tell) -> dict[str, Any]:
    """Measure; stamp, rows and histograms. At full size it is kept, with its picture.

    Raises:
        UsageError: a size is out of range, or there are no runbooks, or no weeks of clicks, where they should be.
        StoreError: a part did not finish.
    """
    _check(size)
    histograms: dict[str, list[float]] = {}
    rows = [asdict(row) for row in _rows(cache, size, tell, histograms)]
    found = {**stamp, "items": size.items, "rows": rows, "histograms": histograms}
    if size.full:
        durable.write(RESULTS, json.dumps(found, indent=1).encode() + b"\n")
        draw(RESULTS.with_suffix(".svg"), found)
    return found


def kept() -> dict[str, Any]:
    """What was measured last at full size; no rows if nothing was."""
    stored: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": []}
    return stored


def draw(path: Path, found: dict[str, Any]) -> None:
    """Write the picture of what was measured."""
    durable.write(path, picture(found["histograms"], f"Searches of {found['items']:,} items while upserts stream in").encode())


def _check(size: Size) -> None:
    asked = {"--items": (size.items, LEAST), "--peers": (size.peers or LEAST, LEAST), "--checked": (size.checked, 300)}
    for name, (value, least) in asked.items():
        if value < least:
            raise UsageError(name, expected=f"at least {least}", found=str(value), fix="Ask for more.")
    if size.runbooks is not None and not _books(size.runbooks):
        fix = "Pass --data with a folder of runbooks of the big-ann-benchmarks."
        raise UsageError("--data", expected="files *_runbook.yaml", found=f"none in {size.runbooks}", fix=fix)
    if size.towers is not None:
        towers.check(size.towers)


def _books(folder: Path) -> list[Path]:
    return sorted(folder.glob("*_runbook.yaml"))


def _rows(cache: Path, size: Size, tell: Tell, histograms: dict[str, list[float]]) -> Iterator[Row]:
    open_world(cache, size.items, tell)
    tell("searches, changes, and both", 0.1)
    said = _part("search", cache, size.items, "--answers", min(TIMED, size.checked), threads=1)
    histograms |= {name: live["histogram"] for name, live in said["live"].items()}
    yield from search_rows(said, size.items)
    checking = min(size.items, UNDER_CHECK)
    open_world(cache, checking, tell)
    tell("answers are checked while items change", 0.2)
    yield from truth_rows(_part("check", cache, checking, "--answers", size.checked, threads=1), checking)
    tell("whole refreshes and a rebuild", 0.3)
    yield from bulk_rows(_part("bulk", cache, size.items, threads=2), size.items)
    yield from _memory(cache, size.items, tell)
    yield from _mapped(cache, size.items, tell)
    yield from _towers(cache, size, tell)
    tell("new clusters emerge", 0.5)
    drifting = min(size.items, DRIFTING)
    yield from drift_rows(_part("drift", cache, drifting, threads=1), drifting)
    yield from _runbooks(cache, size, tell)
    yield from _peers(cache, size, tell)
    yield from _gpu(size, tell)


def _towers(cache: Path, size: Size, tell: Tell) -> Iterator[Row]:
    if size.towers is None:
        yield from without_towers()
        return
    if not towers.there(cache, size.towers):
        tell("two releases of the real towers", 0.47)
        finished("real_towers", size.towers, cache, seconds=PART_SECONDS, threads=1)
    tell("the real towers", 0.48)
    search = _part("search", cache, 0, "--answers", min(TIMED, size.checked), threads=1)
    yield from tower_rows(towers.story(cache), search, _part("bulk", cache, 0, threads=2))


def _memory(cache: Path, items: int, tell: Tell) -> Iterator[Row]:
    said = []
    for copies in (0, 1, 2):
        tell(f"memory, {copies or 'no'} copies", 0.4)
        said.append(_part("memory", cache, items, "--copies", copies, threads=2))
    yield from memory_rows(said[0], said[1], said[2], items, DIM)


def _mapped(cache: Path, items: int, tell: Tell) -> Iterator[Row]:
    tell("one file for two processes", 0.45)
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-") as folder:
        steps = ("snapshot", "whole", "first")
        _, whole, first = (_part("mapped", cache, items, "--path", folder, "--how", how, threads=1) for how in steps)
    yield from mapped_rows(whole, first, items, WIDTH)


def _runbooks(cache: Path, size: Size, tell: Tell) -> Iterator[Row]:
    if size.runbooks is None:
        yield not_run("runbook final: recall@10", ">= 0.92", "no --data with runbooks")
        return
    most = min(size.items, RUNBOOK)
    for path in _books(size.runbooks):
        name = path.stem.removesuffix("_runbook")
        tell(f"runbook {name}", 0.6)
        mended = _part("runbook", cache, most, "--path", path, threads=1)
        alone = _part("runbook", cache, most, "--path", path, "--left-alone", threads=1) if name == "final" else None
        yield from runbook_rows(name, mended, alone)


def _peers(cache: Path, size: Size, tell: Tell) -> Iterator[Row]:
    if not size.peers:
        yield from _left_out()
        return
    items = min(size.items, size.peers)
    world = open_world(cache, items, tell)
    tell("the index at the peers' size", 0.8)
    own = _part("search", cache, items, threads=1)
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch:
        found: dict[str, Rival] = rivals(cache, world, Path(scratch), RECALL, tell)
    yield from rival_rows(own, found, items)


def _gpu(size: Size, tell: Tell) -> Iterator[Row]:
    choice = chosen("auto")
    if choice.device == "cpu":
        yield from gpu_rows(None, choice.why)
        return
    tell("the GPU", 0.95)
    yield from gpu_rows(finished("own_gpu", "--items", ON_GPU * size.items, seconds=PART_SECONDS), choice.why)


def _left_out() -> Iterator[Row]:
    yield not_run("queries and upserts, ours / the best peer's", ">= 1", "--peers 0")


def _part(name: str, cache: Path, items: int, *more: object, threads: int) -> dict[str, Any]:
    return finished("own_index", name, cache, "--items", items, *more, seconds=PART_SECONDS, threads=threads)
