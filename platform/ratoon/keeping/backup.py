"""A home -> a backup of it, while servers and refreshes go on. The order of its steps is what makes it of one moment.

Everything else is copied before the event log. So the log, which is copied last and as of one moment, has every event that
anything else in the backup knows of, and what is behind it catches up from it as after a crash: `ingest` and `materialize`
from their positions, a server's rows of users from the newest materialisation on, the next refresh from its release.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.retention import surplus
from ratoon.events.writing import END
from ratoon.keeping import manifest
from ratoon.keeping.manifest import Copied, Manifest
from ratoon.keeping.objects import Objects
from ratoon.keeping.still import still, unmerged
from ratoon.registry.locks import locked
from ratoon.wiring import House

LOG = "events.sqlite"

LEFT = ("cache/*", "restored/*", "*-wal", "*-shm", "*-journal", "*.lock", "*/.*", ".*", "releases/*/training/*")
"""What is made again, belongs to a process, or was never finished."""

KEPT = ("*/.state/*",)
"""What of that is copied all the same."""

OURS = ("objects", ".lock")
"""What a folder of backups has beside their manifests."""

Told = Callable[[str], None]
"""Hears which file is being copied."""


def backup(house: House, folder: Path, now: datetime, kept: int, told: Told = lambda _: None) -> Manifest:
    """Add a backup of a home to a folder, and let go of those beyond the newest `kept`.

    A file whose bytes the folder has already is not written again. Killed at any moment it leaves the backups that there were.

    Raises:
        UsageError: the folder is in the home, or holds something else.
        StoreError: the disk is full, or a file cannot be read; no backup was made.
    """
    _refuse(house.home, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            return _made(house, folder, now, kept, told)
    except OSError as error:
        raise StoreError(
            str(error.filename or folder),
            expected="room and leave to write a backup",
            found=error.strerror or repr(error),
            fix=f"Make room for {folder}; the backups in it are as they were, and what was begun is used by the next.",
        ) from error


def _made(house: House, folder: Path, now: datetime, kept: int, told: Told) -> Manifest:
    objects, earlier = Objects(folder), manifest.numbers(folder)

    def copied(root: Path, path: Path) -> tuple[str, Copied]:
        name = path.relative_to(root).as_posix()
        told(name)
        stored = objects.add(path)
        return name, Copied(stored.sha256, stored.size, path.stat().st_mode & 0o777)

    files: dict[str, Copied] = {}
    served: dict[str, str] = {}
    for surface in house.settings.surfaces:
        with locked(house.home / "releases" / surface / ".current"):  # nothing is published or deleted meanwhile
            files |= _copies(house.home, f"releases/{surface}", copied)
            current = house.registry(surface).current()
            served |= {surface: current.id} if current else {}
    with still(house.home / "features"), unmerged(house.home / "features"):
        files |= _copies(house.home, "features", copied)
    files |= _copies(house.home, "", copied, besides=(LOG, *files))
    durable.fault_point("backup.before_log")
    files |= _copies(house.home, LOG, copied)
    beside = _copies(house.settings.paths.feature_repo.parent, house.settings.paths.feature_repo.name, copied)
    position = _position(objects.path(files[LOG].sha256)) if LOG in files else 0
    number = max(earlier, default=0) + 1
    made = Manifest(number, now, str(house.home), position, served, files, beside, _without(house))
    durable.fault_point("backup.before_manifest")
    manifest.write(folder, made)
    durable.fault_point("backup.made")
    _clear(folder, objects, kept)
    return made


def _clear(folder: Path, objects: Objects, kept: int) -> None:
    """Take away what a killed backup has left, the oldest backups, then what none that is left needs; no other one is at work."""
    for torn in folder.glob(durable.UNFINISHED):
        torn.unlink()
    there = manifest.numbers(folder)
    for name in surplus([str(number) for number in there], max(kept, 1)):
        manifest.remove(folder, int(name))
    objects.clear({sha256 for number in manifest.numbers(folder) for sha256 in manifest.read(folder, number).objects})


Copy = Callable[[Path, Path], tuple[str, Copied]]
"""Root and path of a file -> its name and what of it is kept."""


def _copies(root: Path, below: str, copied: Copy, besides: tuple[str, ...] = ()) -> dict[str, Copied]:
    found: dict[str, Copied] = {}
    for path in _files(root, root / below):
        name = path.relative_to(root).as_posix()
        if name in besides:
            continue
        try:
            name, kept = copied(root, path)
        except FileNotFoundError:
            # Gone since it was listed: what is let go of beside us is not part of this moment.
            if path.exists():
                raise
        else:
            found[name] = kept
    return found


def _files(root: Path, start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
    for path in sorted(start.rglob("*")):
        name = path.relative_to(root).as_posix()
        left = any(fnmatch(name, pattern) for pattern in LEFT) and not any(fnmatch(name, pattern) for pattern in KEPT)
        if not left and path.is_file() and not path.is_symlink():
            yield path


def _position(log: Path) -> int:
    with closing(sqlite3.connect(f"file:{log}?mode=ro&immutable=1", uri=True)) as db:
        newest = db.execute(END).fetchone()
        return int(newest[0]) if newest else 0


def _without(house: House) -> tuple[str, ...]:
    """What of this home's state lies elsewhere."""
    place = house.home / "features" / "online.json"
    kind = json.loads(place.read_bytes())["kind"] if place.exists() else "sqlite"
    online = ("online rows, which are in Redis: `ratoon materialize` fills it, and servers catch up",)
    return online if kind != "sqlite" else ()


def _refuse(home: Path, folder: Path) -> None:
    if folder.resolve().is_relative_to(home.resolve()):
        fix = "Name a folder on another disk."
        raise UsageError("folder", expected=f"one outside of {home}", found=str(folder), fix=fix)
    there = list(folder.iterdir()) if folder.is_dir() else [folder] if folder.exists() else []
    others = sorted(
        path.name for path in there if not (path.name in OURS or path.suffix == ".json" or path.match(durable.UNFINISHED))
    )
    if others:
        found = f"{folder} with {', '.join(others[:3])}"
        raise UsageError("folder", expected="an empty one, or one with backups", found=found, fix="Name another folder.")
