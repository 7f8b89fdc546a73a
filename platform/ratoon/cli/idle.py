"""`ratoon refresh` where nothing is new: answered at once, see `ratoon.idle`.

What is imported at the top of this file costs every command; the standard library only.
"""

import json
import os
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratoon import idle, places

if TYPE_CHECKING:
    from ratoon.domain.report import RefreshReport
    from ratoon.wiring import House

TRAINING_TOGETHER = "WORLD_SIZE"
"""torchrun's variable: processes that train together begin and end together."""

_END = 'SELECT max(ifnull((SELECT max("offset") FROM tail), 0), ifnull((SELECT max("offset") FROM events), 0))'


def answered(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the command was a refresh with nothing new, and has been answered.

    Args:
        words: the command line behind `ratoon`.
    """
    asked = _asked(words)
    if asked is None or TRAINING_TOGETHER in environment:
        return False
    surface, as_json = asked
    file = places.config_file(environment)
    try:
        home = places.home(environment, file, places.stated_home(file))
    except (OSError, ValueError, TypeError, AttributeError):
        return False  # whoever reads it whole says what is wrong with it
    if surface != Path(surface).name or (said := idle.still(_memory(home, surface))) is None:
        return False
    if as_json:
        sys.stdout.write(json.dumps(said["report"]) + "\n")
    else:
        sys.stdout.write(f"{said['line']}\n")
    return True


def sight(house: "House", surface: str) -> idle.Sight | None:
    """All that decides whether a refresh finds anything new; None while there is nothing to look at yet, or it is elsewhere."""
    if house.settings.events.store != "sqlite":
        return None
    try:
        return idle.look(_patterns(house, surface), [(str(house.home / "events.sqlite"), _END)])
    except (OSError, sqlite3.Error):  # a file went while it was looked at
        return None


def remember(house: "House", surface: str, before: idle.Sight | None, report: "RefreshReport", line: str) -> None:
    """Write down that a refresh found nothing new, if all is now as it was before it began, and long enough."""
    settled = before is not None and before.newest() + idle.SETTLED_NS < time.time_ns()
    if report.outcome != "skipped" or report.plan.waits or not settled or before is None or sight(house, surface) != before:
        return
    from dataclasses import asdict, replace

    from ratoon.cli.screen import plain

    said: dict[str, Any] = {"report": plain(asdict(replace(report, stages=()))), "line": line}
    idle.remember(_memory(house.home, surface), before, said)


def _asked(words: Sequence[str]) -> tuple[str, bool] | None:
    """The surface and whether JSON is wanted, if it is a refresh by the plan's own choice; None for anything else."""
    if not words or words[0] != "refresh":
        return None
    surface, as_json, rest = "default", False, list(words[1:])
    while rest:
        word = rest.pop(0)
        if word == "--json":
            as_json = True
        elif word == "--surface" and rest:
            surface = rest.pop(0)
        elif word == "--scope" and rest[:1] == ["auto"]:
            rest.pop(0)
        else:
            return None
    return surface, as_json


def _patterns(house: "House", surface: str) -> Iterator[str]:
    repo, home = house.settings.paths.feature_repo, house.home
    yield str(places.config_file(os.environ))
    yield from (f"{repo}/**/*.py", f"{repo}/feature_store.yaml")
    yield from (f"{home}/releases/{surface}/{name}" for name in ("CURRENT", "hold.json", "pinned.json", "trial.json"))
    yield from (f"{home}/features/{name}" for name in ("views.json", "rules.json", "applied.sha256", "quarantine/**/*.json*"))
    yield str(Path(idle.__file__).with_name("refresh.py"))  # another version of the program decides anew
    for view in house.applied() or ():
        source = Path(view.path)
        yield f"{source}/**/*.parquet" if source.is_dir() else view.path


def _memory(home: Path, surface: str) -> Path:
    return home / "releases" / surface / "idle.json"
