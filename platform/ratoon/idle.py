"""Whether anything that a decision was made from has changed since: told by stamps, before anything heavy is imported.

A refresh that found nothing new writes down what it had looked at. While all of that is as it was, the next one would find
nothing new either, and says so in a tenth of a second instead of after importing Feast and torch. What is written down is
only a memory: without it, or if in doubt, the refresh is run. Standard library only.
"""

import glob
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon import durable

SETTLED_NS = 2_000_000_000
"""A file that changed less than this before it was looked at may change again without its stamp telling."""

Stamp = tuple[int, int, int, int]
"""A file's size, its times of modification and of change in nanoseconds, and its inode."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was looked at, and what was seen.

    Attributes:
        patterns: globs; what they mean may come and go.
        files: path -> stamp, of all that they meant.
        answers: (SQLite file, query) -> the one value that it gave.
    """

    patterns: tuple[str, ...]
    files: Mapping[str, Stamp]
    answers: tuple[tuple[str, str, Any], ...]

    def newest(self) -> int:
        """When the last of the files changed, in nanoseconds since 1970; 0 without files."""
        return max((max(stamp[1], stamp[2]) for stamp in self.files.values()), default=0)


def look(patterns: Iterable[str], queries: Iterable[tuple[str, str]]) -> Sight:
    """Look now; OSError or sqlite3.Error where that cannot be done."""
    chosen, asked = tuple(patterns), tuple(queries)
    found = {path for pattern in chosen for path in glob.glob(pattern, recursive=True)}  # noqa: PTH207  # absolute patterns
    return Sight(
        chosen, {path: _stamp(path) for path in sorted(found)}, tuple((file, ask, _answer(file, ask)) for file, ask in asked)
    )


def remember(path: Path, sight: Sight, said: Mapping[str, Any]) -> None:
    """Write down what was seen, and what was said about it."""
    durable.write(path, json.dumps({"sight": asdict(sight), "said": said}).encode())


def still(path: Path) -> dict[str, Any] | None:
    """What was said, if all that it was said about looks as it did; None if not, or if that is not certain."""
    try:
        raw = json.loads(path.read_bytes())
        before = Sight(
            tuple(raw["sight"]["patterns"]),
            {name: (stamp[0], stamp[1], stamp[2], stamp[3]) for name, stamp in raw["sight"]["files"].items()},
            tuple((file, query, answer) for file, query, answer in raw["sight"]["answers"]),
        )
        said: dict[str, Any] = raw["said"]
        now = look(before.patterns, [(file, query) for file, query, _ in before.answers])
    except (OSError, ValueError, KeyError, TypeError, IndexError, sqlite3.Error):
        return None
    return said if now == before else None


def _stamp(path: str) -> Stamp:
    about = Path(path).stat()
    return about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino


def _answer(file: str, query: str) -> Any:
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1.0)
    try:
        return db.execute(query).fetchone()[0]
    finally:
        db.close()
