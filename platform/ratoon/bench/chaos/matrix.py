"""The matrix: the world and its undisturbed homes, then every cell in a process of its own, as many at a time as asked."""

import json
import multiprocessing
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.bench.chaos.cells import Cell, cells
from ratoon.bench.chaos.harm import play
from ratoon.bench.chaos.scene import Scene, Undisturbed
from ratoon.bench.chaos.victims import run
from ratoon.bench.chaos.works import WORKS, Work
from ratoon.bench.chaos.world import make, seen, told

PRELOADED = [
    *("ratoon.cli", "ratoon.jobs.worker", "ratoon.refresh", "ratoon.features.store", "ratoon.training", "ratoon.index"),
    *("ratoon.wiring", "ratoon.bench.chaos.matrix"),
]
"""What the process imports that all others are forked from: all that is slow to import, and starts no threads."""

CALM = "calm.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a cell.

    Attributes:
        wrong: what did not hold; nothing where the outcome is the required one.
        said: what the operator, or the caller, was told.
        acknowledged, lost, doubled: events.
        seconds: by the wall.
    """

    cell: Cell
    wrong: tuple[str, ...]
    said: str
    acknowledged: int
    lost: int
    doubled: int
    seconds: float


def prepared(folder: Path, feature_repo: Path) -> list[Cell]:
    """Make the world under `folder`; the cells that there are."""
    ended(started(_prepare, folder, feature_repo))
    return cells({name: calm.passed for name, calm in calm_homes(folder)[0].items()})


def outcomes(world: Path, scratch: Path, chosen: Sequence[Cell], at_once: int, *, brief: bool = False) -> Iterator[Outcome]:
    """What becomes of each cell, as they end.

    Args:
        world: see `prepared`.
        scratch: a folder for homes, on the file system of `world`.
        brief: see `Scene`.
    """
    waiting, alive = list(enumerate(chosen)), dict[BaseProcess, Path]()
    while waiting or alive:
        while waiting and len(alive) < at_once:
            number, cell = waiting.pop(0)
            folder = scratch / str(number)
            alive[started(_play, cell, world, folder, brief)] = folder
        connection.wait([process.sentinel for process in alive])
        for process in [process for process in alive if process.exitcode is not None]:
            folder = alive.pop(process)
            said = json.loads((folder / "outcome.json").read_text())
            yield Outcome(Cell(**said.pop("cell")), tuple(said.pop("wrong")), **said)
            shutil.rmtree(folder)


def started(work: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process forked from one that has imported everything, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> None:
    """Wait for it; RuntimeError if it failed."""
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"exit {process.exitcode}: what went wrong is above")


def _play(cell: Cell, world: Path, folder: Path, brief: bool) -> None:
    folder.mkdir(parents=True)
    calm, release = calm_homes(world)
    begun = time.monotonic()
    scene = Scene(cell, world, folder, calm[cell.work], release, brief)
    try:
        play(scene)
    except Exception:  # noqa: BLE001  # whatever it is, the cell is red
        scene.wrong.append(traceback.format_exc()[-1500:])
    said = {"said": scene.said, "acknowledged": scene.acknowledged, "lost": scene.lost, "doubled": scene.doubled}
    outcome = {"cell": asdict(cell), "wrong": scene.wrong, **said, "seconds": round(time.monotonic() - begun, 2)}
    (folder / "outcome.json").write_text(json.dumps(outcome))


def _prepare(folder: Path, feature_repo: Path) -> None:
    make(folder, feature_repo)
    works, release = dict[str, Any](), ""
    for work in sorted(WORKS.values(), key=lambda work: work.base == "released"):
        works[work.name] = _undisturbed(folder, work)
        if work.name == "refresh":
            shutil.move(folder / "refresh" / "home", folder / "released")
            release = works[work.name]["after"]["releases"][0]
        shutil.rmtree(folder / work.name)
    (folder / CALM).write_text(json.dumps({"works": works, "release": release}))


def _undisturbed(folder: Path, work: Work) -> dict[str, Any]:
    scratch = folder / work.name
    home, passed = scratch / "home", scratch / "passed.json"
    shutil.copytree(folder / work.base, home)
    before = seen(home, scratch)
    done = run(scratch, _traced, passed, *work.begin(home, folder), fault="nowhere")
    if done.code != 0:
        raise RuntimeError(f"{work.name}: exit {done.code}, {done.complained[-1000:]}")
    return {"before": asdict(before), "after": asdict(seen(home, scratch)), "passed": json.loads(passed.read_text())}


def _traced(into: Path, work: Callable[..., None], *arguments: object) -> None:
    """Run a work, and write down the fault points that it passes, however it ends."""
    leave = os._exit

    def left(code: int) -> None:
        into.write_text(json.dumps(durable.passed))
        leave(code)

    os._exit = left  # type: ignore[assignment]
    work(*arguments)


def calm_homes(world: Path) -> tuple[dict[str, Undisturbed], str]:
    """What each work leaves undisturbed, and the release that comes of it."""
    raw = json.loads((world / CALM).read_text())
    works = {
        name: Undisturbed(told(one["before"]), told(one["after"]), tuple(one["passed"])) for name, one in raw["works"].items()
    }
    return works, raw["release"]
