"""A backup -> a home, whole or not at all; and whether a backup is whole."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.keeping import manifest
from ratoon.keeping.manifest import Copied, Manifest
from ratoon.keeping.objects import Objects, Stored

BESIDE = "restored"
"""The folder of a restored home with what is no part of it, for people to compare."""


def verified(folder: Path, number: int | None = None) -> Manifest:
    """A backup, the newest by default, all of whose bytes are there and as they were.

    Raises:
        UsageError: there is no such one.
        StoreError: naming the first file that is damaged or missing.
    """
    made, objects = manifest.read(folder, number), Objects(folder)
    for sha256, size in sorted(made.objects.items()):
        objects.check(Stored(sha256, size))
    return made


def restore(folder: Path, home: Path, number: int | None = None) -> Manifest:
    """Put a backup where there is no home, or an empty folder. It is written beside and appears at once.

    Raises:
        UsageError: there is something at `home`, or no such backup.
        StoreError: a file of the backup is damaged, or cannot be written; there is nothing at `home` then.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        fix = "Move it away, or set paths.home or RATOON_HOME to another folder."
        raise UsageError("home", expected="nothing there, or an empty folder", found=str(home), fix=fix)
    made = verified(folder, number)
    beside = home.with_name(f".{home.name}.restoring")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        _copy(Objects(folder), made.files, beside)
        _copy(Objects(folder), made.beside, beside / BESIDE)
        durable.fault_point("restore.before_rename")
        beside.replace(home)
        durable.sync_folder(home.parent)
    except OSError as error:
        shutil.rmtree(beside, ignore_errors=True)
        raise StoreError(
            str(home),
            expected="a folder that can be made and filled",
            found=error.strerror or repr(error),
            fix=f"Make room for {made.size} bytes, and see that it is no mount point of its own.",
        ) from error
    return made


def _copy(objects: Objects, files: Mapping[str, Copied], into: Path) -> None:
    folders = {into}
    into.mkdir(parents=True, exist_ok=True)
    for name, copied in files.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        folders.update(parent for parent in path.parents if parent.is_relative_to(into))
        shutil.copyfile(objects.path(copied.sha256), path)
        path.chmod(copied.mode)
        with path.open("rb") as file:
            os.fsync(file.fileno())
    for folder in folders:
        durable.sync_folder(folder)
