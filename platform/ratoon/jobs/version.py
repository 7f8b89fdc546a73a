"""Which code a run was of: the version, and what its files say, for a version is not counted up at each change."""

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from ratoon.domain.errors import StoreError

PACKAGE = Path(__file__).parents[1]

Stamp = tuple[str, int, int]


def version(package: Path = PACKAGE) -> str:
    """`<version>+<eight hex digits>`, of SHA-256 over the names and bytes of the package's Python files.

    Looked at anew at each call: a run is a process of its own, and has the code of its day. Files are read if one of them has
    another size or time of change than at the call before.

    Raises:
        StoreError: they cannot be read, as while they are replaced.
    """
    try:
        return _told(package, tuple(sorted(_stamps(package, ""))))
    except (OSError, metadata.PackageNotFoundError) as error:
        raise StoreError(
            str(package),
            expected="the program's files",
            found=str(error),
            fix="Install it again, unless somebody is just doing that.",
        ) from error


def _stamps(folder: Path, within: str) -> Iterator[Stamp]:
    """Faster than by `Path`: workers ask before each run."""
    with os.scandir(folder) as there:
        for one in there:
            if one.name.endswith(".py"):
                at = one.stat()
                yield f"{within}{one.name}", at.st_mtime_ns, at.st_size
            elif one.is_dir():
                yield from _stamps(folder / one.name, f"{within}{one.name}/")


@lru_cache(maxsize=1)
def _told(package: Path, stamps: tuple[Stamp, ...]) -> str:
    told = hashlib.sha256()
    for path in sorted(package / name for name, _, _ in stamps):
        told.update(f"{path.relative_to(package).as_posix()} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"{metadata.version('ratoon')}+{told.hexdigest()[:8]}"
