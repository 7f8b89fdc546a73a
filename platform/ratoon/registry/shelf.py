"""The folders of releases: `<sequence>-<id>/` with `manifest.json` and the files.

A folder is written once. The one change it may see later is that a file which was stored as what differs from the parent's is
written whole, before that parent is taken away; the bytes that are read stay the same. See `chains`.
"""

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from ratoon import durable
from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.release import Release
from ratoon.ports import Files
from ratoon.registry.chains import DELTA, LINK, Chains, sequence_of

MANIFEST = "manifest.json"
STAGING = ".staging-"
READERS = 4
"""Files of a release that are read and hashed at a time."""

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Shelf:
    """One surface's release folders. Whoever adds holds the registry's lock; readers need none."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._chains = Chains(root)

    def folder(self, sequence: int, release_id: str) -> Path:
        """Where a release lies."""
        return self.root / f"{sequence:06d}-{release_id[:12]}"

    def last(self) -> int:
        """The highest sequence of any folder, published or left behind by a crash; 0 if there is none."""
        return max((sequence_of(folder.name) for folder in self.root.glob("[0-9]*-*")), default=0)

    def holds(self, sequence: int, release_id: str) -> bool:
        """Whether the release is there."""
        return (self.folder(sequence, release_id) / MANIFEST).exists()

    def manifest(self, sequence: int, release_id: str) -> Release:
        """A release's manifest.

        Raises:
            StoreError: it is missing, cannot be read, or is another release's.
        """
        path = self.folder(sequence, release_id) / MANIFEST
        try:
            release = Release.from_json(path.read_text())
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreError(
                str(path),
                expected=f"the manifest of release {release_id[:12]}",
                found=repr(error),
                fix="Bring the release's folder back from a backup.",
            ) from error
        if (release.sequence, release.id) != (sequence, release_id):
            raise StoreError(
                str(path),
                expected=f"release {release_id}, sequence {sequence}, which CURRENT or a later release names",
                found=f"release {release.id}, sequence {release.sequence}",
                fix="Bring back from a backup whichever of the two was changed.",
            )
        return release

    def read(self, release: Release) -> dict[str, bytes]:
        """A release's files, every hash checked; nothing is interpreted.

        Raises:
            StoreError: a file is missing or its bytes are not those that were published.
        """
        names = sorted(release.files)
        with ThreadPoolExecutor(READERS) as pool:  # who hashes a file lets others run
            return dict(zip(names, pool.map(partial(self.file, release), names), strict=True))

    def file(self, release: Release, name: str) -> bytes:
        """One of a release's files, its hash checked; StoreError like `read`."""
        return self._chains.read(self.folder(release.sequence, release.id) / name, release.files[name])

    def sizes(self, release: Release) -> dict[str, int]:
        """Each file in a release's folder with its bytes."""
        folder = self.folder(release.sequence, release.id)
        return {path.name: path.stat().st_size for path in sorted(folder.iterdir())}

    def fold(self, release: Release) -> None:
        """Make a release independent of all others; StoreError like `read`, and then it is as it was."""
        self._chains.fold(self.folder(release.sequence, release.id), release.files)

    def forget(self, upto: int) -> None:
        """Take every folder with a sequence <= `upto` away, also those that a crash left behind.

        The newest goes out of sight first, and with it all before it: none of them is found any more, so none is found broken.
        """
        folders = [folder for folder in self.root.glob("[0-9]*-*") if sequence_of(folder.name) <= upto]
        for folder in sorted(folders, key=lambda folder: sequence_of(folder.name), reverse=True):
            gone = folder.with_name(f"{STAGING}{folder.name}")
            folder.rename(gone)
            durable.sync_folder(self.root)
            durable.fault_point("registry.forgotten")
            shutil.rmtree(gone)

    def left(self, oldest: int) -> list[Path]:
        """Folders with a sequence below `oldest`, and half-written ones."""
        older = (folder for folder in self.root.glob("[0-9]*-*") if sequence_of(folder.name) < oldest)
        return sorted([*older, *self.root.glob(f"{STAGING}*")])

    def sweep(self) -> None:
        """Take half-written folders away; whoever calls holds the registry's lock, so that nobody is at work on them."""
        for stale in self.root.glob(f"{STAGING}*"):
            shutil.rmtree(stale)

    def add(self, release: Release, files: Files) -> None:
        """Write a release beside the others and rename it into its place, everything synced.

        A folder that a crash left in that place was never published: it is kept if it is the same, and replaced if not.

        Raises:
            UsageError: `files` are not those whose hashes `release.files` has; nothing has been written.
        """
        _same_files(release, files)
        self.sweep()
        final = self.folder(release.sequence, release.id)
        if final.exists():
            if self._is(release):
                return
            shutil.rmtree(final)
        staging = self.root / f"{STAGING}{os.getpid()}"
        staging.mkdir(parents=True)
        for name, data in {**self._stored(release, files), MANIFEST: release.to_json().encode()}.items():
            _write_synced(staging / name, data)
            durable.fault_point("registry.staging")
        durable.sync_folder(staging)
        durable.fault_point("registry.staged")
        staging.rename(final)
        durable.sync_folder(self.root)

    def _stored(self, release: Release, files: Files) -> dict[str, bytes]:
        """What to write for `files`: as what differs from the parent's, where that is less."""
        before = (release.sequence - 1, release.parent)
        parent = self.manifest(*before) if release.parent and self.holds(*before) else None
        stored: dict[str, bytes] = {}
        for name, data in files.items():
            known = parent.files.get(name) if parent else None
            stored |= self._chains.stored(name, data, self.folder(*before) / name, known) if known else {name: data}
        return stored

    def _is(self, release: Release) -> bool:
        try:
            left = self.manifest(release.sequence, release.id)
            self.read(left)
        except StoreError:
            # Damaged leftovers of a crash: never published, so replacing them is the repair.
            return False
        return replace(left, files=dict(left.files)) == replace(release, files=dict(release.files))


def _same_files(release: Release, files: Files) -> None:
    found = {name: durable.sha256(data) for name, data in files.items()}
    if found != dict(release.files):
        wrong = sorted(name for name in found.keys() | release.files.keys() if found.get(name) != release.files.get(name))
        raise UsageError(
            "files",
            expected="exactly the files whose hashes are in release.files",
            found=f"others: {', '.join(wrong)}",
            fix="Hash the bytes that are published.",
        )
    odd = sorted(name for name in files if not NAME.fullmatch(name) or name == MANIFEST or name.endswith((DELTA, LINK)))
    if odd:
        raise UsageError(
            "files",
            expected=f"plain file names other than {MANIFEST}, none ending in {DELTA} or {LINK}",
            found=", ".join(odd),
            fix="Rename the file: a release is one flat folder.",
        )


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
