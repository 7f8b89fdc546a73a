"""A file that is not as it was written: what a stage that reads it has to say."""

import signal
from pathlib import Path

from ratoon.bench.chaos.cells import LEFT
from ratoon.bench.chaos.scene import Scene, last
from ratoon.bench.chaos.victims import ratoon, run
from ratoon.bench.chaos.works import WORKS
from ratoon.bench.chaos.world import seen


def damaged(scene: Scene) -> None:
    """A file is cut short or has a bit changed: it is made again, or named; brought back, all goes on."""
    cell = scene.cell
    if cell.stage in LEFT:
        died = scene.run(f"{cell.point}:{cell.nth}:kill")
        scene.want(died.code == -signal.SIGKILL, f"it ended with {died.code}")
    path = sorted((scene.home / "var").glob(cell.file))[-1]
    good = path.read_bytes()
    bad = good[: len(good) * 2 // 3] if cell.fault == "truncated file" else _flipped(good)
    path.write_bytes(bad)
    ended = scene.run()
    scene.said = last(ended)
    if ended.code:
        scene.want(_names(path, ended.complained), f"exit {ended.code}, and {path.name} is not named: {scene.said}")
    elif _as_ever(scene):
        scene.said = "made again, or not read"
    else:
        # SQLite believes its pages: whoever looks for what nobody wrote has to find it.
        looked = [run(scene.folder, ratoon, scene.home, command) for command in ("doctor", "parity")]
        found = [one for one in looked if one.code in (4, 5)]
        scene.said = " ".join((found[0].complained or found[0].said).split())[-300:] if found else ""
        scene.want(bool(found), f"neither doctor nor parity found it: exits {[one.code for one in looked]}")
    if scene.said != "made again, or not read" or (path.exists() and path.read_bytes() == bad):
        _bring_back(path, good)
    again = scene.run()
    scene.want(again.code == 0, f"run again it ended with {again.code}: {last(again)}")
    if cell.work == "backup":
        scene.restored()
    scene.as_ever()


def _bring_back(path: Path, good: bytes) -> None:
    path.write_bytes(good)
    for log in path.parent.glob(f"{path.name}-*"):  # a database comes back without what belongs to the damaged one
        if log.name.endswith(("-wal", "-shm")):
            log.unlink()


def _as_ever(scene: Scene) -> bool:
    """Whether all that was made is as in an undisturbed home; files of offline rows may be the ones that were damaged."""
    try:
        there, goal = seen(scene.home, scene.folder), WORKS[scene.cell.work].goal
    except RuntimeError:  # what cannot even be looked at
        return False
    made = [name for name in goal if name != "offline" or not scene.cell.file.endswith(".parquet")]
    return not there.whole and all(getattr(there, name) == getattr(scene.calm.after, name) for name in made)


def _names(path: Path, text: str) -> bool:
    known = {path.name, path.parent.name}
    return any(name in text for name in known)


def _flipped(data: bytes) -> bytes:
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]
