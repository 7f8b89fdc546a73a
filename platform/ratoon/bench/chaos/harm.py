"""Does what a cell says to a copy of a home."""

import signal
import time
from collections.abc import Callable
from dataclasses import replace

from ratoon.bench.chaos.cells import WAYS, Cell
from ratoon.bench.chaos.damage import damaged
from ratoon.bench.chaos.meanwhile import brought, busy, come
from ratoon.bench.chaos.scene import Scene, last
from ratoon.bench.chaos.victims import Ended, Victim, holding, ratoon, run
from ratoon.bench.chaos.world import EVENTS, seen
from ratoon.registry.locks import leased, locked

SAYS = {"ENOSPC": "No space left", "EIO": "Input/output error", "OOM": "MemoryError"}
DIES = {"kill -9": -signal.SIGKILL, "SIGTERM": -signal.SIGTERM}
TURNED_AWAY = {"NaN/inf": "a finite number", "schema change": "a column of type double"}
"""What the caller of an event is told that is not taken."""


def play(scene: Scene) -> None:
    """Do it all; what does not hold is in `scene.wrong`."""
    scene.open()
    _act(scene.cell)(scene)


def _act(cell: Cell) -> Callable[[Scene], None]:
    if cell.fault in WAYS:
        return _struck
    if cell.file:
        return damaged
    if cell.point:
        return _meanwhile
    return {
        "empty delta": _empty,
        "huge delta": _huge,
        "online store down": _down,
        "online store slow": _slow,
        "registry locked": _locked,
    }.get(cell.fault, _given)


def _struck(scene: Scene) -> None:
    cell = scene.cell
    ended = scene.run(f"{cell.point}:{cell.nth}:{WAYS[cell.fault]}")
    if cell.fault in DIES:
        scene.want(ended.code == DIES[cell.fault], f"it ended with {ended.code}")
        scene.said = f"signal {-(ended.code or 0)}"
    else:
        told = SAYS[cell.fault] in ended.complained + ended.said
        scene.want(told, f"nobody was told: exit {ended.code}, {last(ended)}")
        scene.said = last(ended)
    scene.intact(ended)
    scene.repaired()


def _meanwhile(scene: Scene) -> None:
    cell, here = scene.cell, scene.folder
    victim = scene.begun(f"{cell.point}:{cell.nth}:stop")
    scene.want(victim.stopped(), f"it never came to {cell.point}:{cell.nth}")
    beside: Victim | None = None
    if cell.fault == "two workers":
        beside = scene.begun()
    elif cell.fault != "clock back 1 h":
        beside = Victim(here, come, scene.home, scene.world / EVENTS, cell.fault)
    if beside:
        _until(lambda: not beside.alive(), 0.5 if cell.fault == "two workers" or cell.work in ("append", "push online") else 20)
    victim.signal(*([signal.SIGUSR1] if beside is None else []), signal.SIGCONT)
    ended, other = victim.ended(), beside.ended() if beside else None
    codes = [ended.code, *([other.code] if other and cell.fault == "two workers" else [])]
    lost = [one for one in (ended, other) if one and one.code == 5 and "Conflict" in one.complained]
    scene.want(0 in codes and len(lost) == len(codes) - codes.count(0), f"exits {codes}: {last(ended)}")
    scene.said = last(lost[0]) if lost else ""
    if other and cell.fault in TURNED_AWAY:
        scene.want(other.code == 4 and TURNED_AWAY[cell.fault] in other.complained, f"taken in: exit {other.code}, {last(other)}")
        scene.said = last(other)
    elif other and cell.fault != "two workers":
        scene.want(other.code == 0, f"events could not be posted: {last(other)}")
        scene.acknowledged = scene.calm.before.events + brought(cell.fault)
    if cell.work == "refresh":
        there = seen(scene.home, here)
        scene.want(there.releases[:1] == (scene.release,), "what came meanwhile is in the release that was being made")
    if cell.work == "backup":
        scene.restored()
    scene.as_ever(brought(cell.fault))


def _empty(scene: Scene) -> None:
    scene.run()
    before = seen(scene.home, scene.folder)
    again = scene.run()
    scene.want(again.code == 0, f"it ended with {again.code}: {last(again)}")
    scene.want(seen(scene.home, scene.folder) == before, "something changed although nothing was new")
    scene.said = " ".join(again.said.split())[:200]
    scene.as_ever()


def _huge(scene: Scene) -> None:
    ended = _flooded(scene)
    if scene.cell.work == "refresh":
        # Nothing else is wrong here: what such a refresh publishes is what the same flood leads to in a home beside.
        beside = replace(scene, folder=scene.folder / "beside", wrong=[])
        beside.folder.mkdir()
        beside.open()
        again = _flooded(beside)
        scene.want(again.code == ended.code, f"exit {ended.code}, and {again.code} in a home like it")
        if ended.code == 0:
            scene.published = seen(beside.home, beside.folder).releases[0]
    scene.as_ever(brought("huge delta"))


def _flooded(scene: Scene) -> Ended:
    posted = run(scene.folder, come, scene.home, scene.world / EVENTS, "huge delta")
    scene.want(posted.code == 0, f"events could not be posted: {last(posted)}")
    for command in ("ingest",) if scene.cell.work in ("materialise", "refresh") else ():
        run(scene.folder, ratoon, scene.home, command)
    ended = scene.run()
    scene.want(ended.code in ((0, 3) if scene.cell.work == "refresh" else (0,)), f"it ended with {ended.code}: {last(ended)}")
    return ended


def _down(scene: Scene) -> None:
    online = scene.home / "var" / "features" / "online.db"
    aside = online.with_name("aside")
    aside.mkdir()
    for file in online.parent.glob("online.db*"):
        file.rename(aside / file.name)
    online.mkdir()
    ended = scene.run()
    named = ended.code == 5 and "online.db" in ended.complained
    scene.want(named, f"exit {ended.code}, and the store is not named: {last(ended)}")
    scene.said = last(ended)
    scene.intact(None)
    online.rmdir()
    for file in aside.iterdir():
        file.rename(online.parent / file.name)
    scene.repaired()


def _slow(scene: Scene) -> None:
    with holding(scene.folder, busy, scene.home / "var" / "features" / "online.db"):
        victim = scene.begun()
        time.sleep(1.5)
    ended = victim.ended()
    scene.want(ended.code == 0, f"it ended with {ended.code}: {last(ended)}")
    scene.as_ever()


def _locked(scene: Scene) -> None:
    root = scene.home / "var" / "releases" / "default"
    if scene.cell.stage == "delta read":
        with holding(scene.folder, leased, root / ".lease"):
            ended = scene.run()
        scene.want(ended.code == 5 and "lease" in ended.complained, f"exit {ended.code}: {last(ended)}")
        scene.said = last(ended)
        scene.repaired()
        return
    with holding(scene.folder, locked, root / ".current"):
        victim = scene.begun()
        _until(lambda: not victim.alive(), 4.0)
        scene.want(victim.alive(), "it did not wait for the lock")
    ended = victim.ended()
    scene.want(ended.code == 0, f"it ended with {ended.code}: {last(ended)}")
    if scene.cell.work == "backup":
        scene.restored()
    scene.as_ever()


def _given(scene: Scene) -> None:
    """What is wrong with history itself: what may not be in it is refused whole, what is there already stays once."""
    scene.run()
    before = seen(scene.home, scene.folder)
    posted = run(scene.folder, come, scene.home, scene.world / EVENTS, scene.cell.fault)
    if scene.cell.fault in TURNED_AWAY:
        told = TURNED_AWAY[scene.cell.fault] in posted.complained
        scene.want(posted.code == 4 and told, f"taken in: exit {posted.code}, {last(posted)}")
        scene.said = last(posted)
    else:
        scene.want(posted.code == 0, f"it ended with {posted.code}: {last(posted)}")
    scene.want(seen(scene.home, scene.folder) == before, "something changed")
    scene.as_ever()


def _until(holds: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
