"""Which code a run was of: the version, and what its files say, for a version is not counted up at each change."""

import hashlib
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def version(package: Path = PACKAGE) -> str:
    """`<version>+<eight hex digits>`, of SHA-256 over the names and bytes of the package's Python files.

    Read anew at each call: a run is a process of its own, and has the code of its day.
    """
    told = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        told.update(f"{path.relative_to(package).as_posix()} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return f"{metadata.version('ratoon')}+{told.hexdigest()[:8]}"
