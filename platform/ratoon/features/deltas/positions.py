"""Which files of a view have arrived: their names and what is in them.

A position says what had been seen, so that nothing is decided by time stamps, and a row that is stamped early and becomes
visible late is not lost. It belongs to the caller; what is kept here only saves reading unchanged files again.
"""

import glob
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import DataError, UsageError
from ratoon.features.views import View

SETTLED_NS = 2_000_000_000
"""A file changed less than this before it was hashed is hashed again next time: its time stamp cannot tell a second change."""


@dataclass(frozen=True, slots=True)
class Position:
    """What had arrived of one view.

    Attributes:
        files: name relative to the folder or glob of the view -> SHA-256 of the file's bytes.
    """

    view: str
    files: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The position as JSON, keys sorted: equal positions are equal bytes."""
        return json.dumps({"view": self.view, "files": dict(self.files)}, sort_keys=True, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Position":
        """The inverse of `to_json`; UsageError if `text` is something else."""
        try:
            raw = json.loads(text)
            return cls(str(raw["view"]), {str(name): str(digest) for name, digest in raw["files"].items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                "position",
                expected='{"view": ..., "files": {...}}, as an earlier delta gave it',
                found=repr(error),
                fix="Pass the text on unchanged, or begin again without a position.",
            ) from error


Stamp = tuple[int, int, int, int]
"""A file's size, its times of modification and of change in nanoseconds, and its inode."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """One file as it was when its digest was taken."""

    path: Path
    stamp: Stamp
    digest: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A position, and what finding it cost.

    Attributes:
        files: by name, those of `position`.
        hashed: the names of the files whose bytes had to be read.
    """

    position: Position
    files: Mapping[str, Arrived]
    hashed: tuple[str, ...]

    @property
    def bytes_read(self) -> int:
        """By hashing."""
        return sum(self.files[name].stamp[0] for name in self.hashed)


def reach(view: View, state: Path) -> Reached:
    """The position of everything that has arrived by now.

    Args:
        state: a folder for what is remembered of the files; may be deleted, which costs reading them all again.

    Raises:
        DataError: the view's source has vanished, or a file changes while it is read.
    """
    paths = files_of(view)
    memory = state / view.name / "fingerprints.json"
    known, began = _remembered(memory), _now(memory.parent)
    files, hashed, settled = dict[str, Arrived](), list[str](), dict[str, tuple[Stamp, str]]()
    for name, path in paths.items():
        stamp = stamp_of(view, path)
        if known.get(name, (None, ""))[0] == stamp:
            files[name] = Arrived(path, stamp, known[name][1])
        else:
            files[name] = _hashed(view, path)
            hashed.append(name)
        if files[name].stamp[1] + SETTLED_NS < began or name not in hashed:
            settled[name] = files[name].stamp, files[name].digest
    if settled != known:
        durable.write(memory, json.dumps(settled, sort_keys=True).encode())
    return Reached(Position(view.name, {name: file.digest for name, file in files.items()}), files, tuple(hashed))


def unchanged(view: View, file: Arrived) -> None:
    """Raise if a file is not what it was when its digest was taken."""
    if (now := stamp_of(view, file.path)) != file.stamp:
        raise DataError(
            f"view {view.name!r}, file {file.path}",
            expected="a file that stays as it is while it is read",
            found=f"{file.stamp[0]} bytes before and {now[0]} after, changed meanwhile",
            fix="Write a file under a hidden name and rename it when it is whole; then run this again.",
        )


def stamp_of(view: View, path: Path) -> Stamp:
    """What tells one state of a file from the next without reading it; DataError if it is not there."""
    try:
        about = path.stat()
    except OSError as error:
        raise gone(view, path, repr(error)) from error
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def _hashed(view: View, path: Path) -> Arrived:
    stamp = stamp_of(view, path)
    try:
        file = Arrived(path, stamp, durable.sha256_file(path))
    except OSError as error:
        raise gone(view, path, repr(error)) from error
    unchanged(view, file)
    return file


def gone(view: View, path: Path, found: str) -> DataError:
    """The error for a source that is not there."""
    missing = "Bring the source back, or correct the view's path in feature_repo/."
    return DataError(
        f"view {view.name!r}, source {path}",
        expected="Parquet files on this machine",
        found=found,
        fix=missing if view.origin == "foreign" else "Run `ratoon ingest`, which writes them.",
    )


def files_of(view: View) -> dict[str, Path]:
    """Name -> path of the files that a view's folder, file or glob means now, by name."""
    if "://" in view.path:
        raise gone(view, Path(view.path), "a remote address")
    source = Path(view.path)
    parts = source.parts
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    if fixed == len(parts) and not source.is_dir():
        stamp_of(view, source)
        return {source.name: source}
    folder = Path(*parts[:fixed])
    pattern = os.path.join(*parts[fixed:]) if fixed < len(parts) else os.path.join("**", "*.parquet")  # noqa: PTH118  # a pattern
    if not folder.is_dir():
        raise gone(view, folder, "no such folder")
    names = sorted(glob.glob(pattern, root_dir=folder, recursive=True))  # noqa: PTH207  # Path.glob finds hidden files too
    return {Path(name).as_posix(): folder / name for name in names if (folder / name).is_file()}


def _remembered(memory: Path) -> dict[str, tuple[Stamp, str]]:
    try:
        raw = json.loads(memory.read_bytes())
        return {name: ((stamp[0], stamp[1], stamp[2], stamp[3]), digest) for name, (stamp, digest) in raw.items()}
    except (OSError, ValueError, TypeError, IndexError, AttributeError):
        # Only a memory: without it every file is hashed again, which the caller is told.
        return {}


def _now(folder: Path) -> int:
    """The present by the clock of the file system that `folder` is on."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / ".clock"
    marker.touch()
    return marker.stat().st_mtime_ns
