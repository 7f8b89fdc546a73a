"""What a backup says of itself: `<folder>/<number>.json`, a SHA-256 and the JSON that it is of.

It is written last: without it there is no backup.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Copied:
    """One file of a backup.

    Attributes:
        mode: its permissions.
    """

    sha256: str
    size: int
    mode: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup.

    Attributes:
        number: 1 for a folder's first.
        made: when it was begun, by the machine's clock, UTC.
        home: where the home was.
        position: the log's newest offset in it. Nothing in it knows of a later event.
        releases: surface -> the release that is served.
        files: path in the home -> what is there.
        beside: path -> what is not part of the home: settings and the feature repository.
        without: what is not in it, in words.
    """

    number: int
    made: datetime
    home: str
    position: int
    releases: Mapping[str, str]
    files: Mapping[str, Copied]
    beside: Mapping[str, Copied]
    without: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(one.size for one in (*self.files.values(), *self.beside.values()))

    @property
    def objects(self) -> dict[str, int]:
        """The SHA-256 of everything that it needs, with its size."""
        return {one.sha256: one.size for one in (*self.files.values(), *self.beside.values())}


def write(folder: Path, manifest: Manifest) -> None:
    """Make the backup count."""
    body = json.dumps(asdict(manifest), sort_keys=True, default=datetime.isoformat).encode()
    durable.write(_path(folder, manifest.number), durable.sha256(body).encode() + b"\n" + body)


def numbers(folder: Path) -> list[int]:
    """The backups in a folder, oldest first."""
    return sorted(int(path.stem) for path in folder.glob("[0-9]*.json"))


def read(folder: Path, number: int | None = None) -> Manifest:
    """One backup, the newest by default.

    Raises:
        UsageError: there is no such one.
        StoreError: it is damaged, or of another version.
    """
    there = numbers(folder)
    chosen = number if number is not None else max(there, default=None)
    if chosen not in there or chosen is None:
        found = f"{', '.join(map(str, there[-5:]))}" if there else "none that was finished"
        wanted = "a folder with a backup" if number is None else f"backup {number}"
        raise UsageError(str(folder), expected=wanted, found=found, fix="`ratoon backup DIR` makes one.")
    path = _path(folder, chosen)
    digest, _, body = path.read_bytes().partition(b"\n")
    fix = "Use an older backup (--number), or make one anew."
    if (found := durable.sha256(body)) != digest.decode(errors="replace"):
        raise StoreError(str(path), expected=f"SHA-256 {digest.decode(errors='replace')[:64]}", found=found, fix=fix)
    try:
        known = TypeAdapter(Manifest).validate_json(body)
    except ValidationError as error:
        raise StoreError(str(path), expected=f"a backup of format {FORMAT}", found=str(error), fix=fix) from error
    if known.format != FORMAT:
        raise StoreError(str(path), expected=f"format {FORMAT}", found=f"format {known.format}", fix=fix)
    return replace(known, number=chosen)


def remove(folder: Path, number: int) -> None:
    """A backup no longer counts; its objects are somebody else's to delete."""
    _path(folder, number).unlink()
    durable.sync_folder(folder)


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.json"
