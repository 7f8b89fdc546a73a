"""Other libraries, each in a process of its own, installed into an environment of their own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon.bench.indexes.worlds import K, Tell, World
from ratoon.bench.processes import watched

PACKAGES = {
    "ScaNN": "scann",
    "hnswlib": "hnswlib",
    "usearch": "usearch",
    "SVS": "scalable-vs",
    "qdrant-edge": "qdrant-edge-py",
    "zvec": "zvec",
}
"""What each is installed by."""

INSTALL_SECONDS, SECONDS = 600, 600


@dataclass(frozen=True, slots=True)
class Rival:
    """What one came to.

    Attributes:
        said: its figures; see `peers/ann.py`.
        missing: why there are none.
    """

    said: dict[str, Any]
    missing: str = ""


def rivals(cache: Path, world: World, scratch: Path, recall: float, tell: Tell) -> dict[str, Rival]:
    """Measure all of them on the same vectors."""
    python, found = _environment(cache / "index-peers"), dict[str, Rival]()
    for number, (name, package) in enumerate(PACKAGES.items()):
        tell(f"peers: {name}", number / len(PACKAGES))
        if why := _uninstalled(python, package):
            found[name] = Rival({}, why)
            continue
        own = scratch / name
        own.mkdir()
        # One thread of OpenMP's; those that build with two say so by their own means.
        outcome = watched("ann", name, world.folder, own, K, recall, seconds=SECONDS, python=python, threads=1)
        found[name] = Rival(outcome.said, outcome.ended)
    return found


def _environment(folder: Path) -> Path:
    """The interpreter of an environment with nothing in it that Ratoon needs."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
    return python


def _uninstalled(python: Path, package: str) -> str:
    """Why a package is not there after it was installed; empty if it is."""
    quiet = ("--quiet", "--disable-pip-version-check", "--no-input")
    try:
        done = subprocess.run(
            [str(python), "-m", "pip", "install", *quiet, package],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"pip install {package}: not done after {INSTALL_SECONDS} s"
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return "" if done.returncode == 0 else f"pip install {package}: {(said or ['failed'])[-1]}"
