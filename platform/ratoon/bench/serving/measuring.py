"""`ratoon bench serve`: every group of the table in its order. What was measured at full size is kept, group by group."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.bench.row import Row, not_run
from ratoon.bench.serving import changing, filters, freshness, lasting, mixing, peers, pressure, speed, wrk
from ratoon.bench.serving.setting import SECONDS, Setting
from ratoon.bench.serving.world import Tell, open_world
from ratoon.domain.errors import RatoonError, UsageError

RESULTS = Path(__file__).parents[1] / "results" / "serve.json"
ITEMS, LEAST = 1_000_000, 25_000

GROUPS: dict[str, Callable[[Setting], Iterator[Row]]] = {
    "floor": speed.floor,
    "workers": speed.workers,
    "filters": filters.filters,
    "start": lasting.start,
    "overload": pressure.overload,
    "sigterm": pressure.sigterm,
    "adoptions": changing.adoptions,
    "mixed": mixing.mixed,
    "freshness": freshness.freshness,
    "peers": peers.peers,
    "soak": lasting.soak,
}
"""Group -> what measures it, with servers of its own on a copy of the world."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        items: of the world; the bars are for ITEMS.
        seconds: of one point; everything that has a length is in proportion to SECONDS.
        only: groups; all of them if empty.
        folder: where worlds are kept; the home's cache by default.
        venvs: a folder with a virtual environment for each peer, under its name.
        peers: items of the comparison with peers; 0 leaves it out.
    """

    items: int = ITEMS
    seconds: float = SECONDS
    only: tuple[str, ...] = ()
    folder: Path | None = None
    venvs: Path | None = None
    peers: int = 100_000

    @property
    def full(self) -> bool:
        """Whether this is what the bars are for."""
        return self.items == ITEMS and self.seconds >= SECONDS


def measure(cache: Path, size: Size, stamp: dict[str, str], tell: Tell) -> dict[str, dict[str, Any]]:
    """Group -> its rows and when and where they were measured; a group that fails says so in a row, and the next begins.

    Raises:
        UsageError: a size or a group is wrong, or wrk is not installed.
    """
    _check(size)
    wrk.installed()
    folder = size.folder or cache
    world = open_world(folder / f"serve-{size.items}", size.items, tell)
    found: dict[str, dict[str, Any]] = {}
    for name in size.only or GROUPS:
        setting = Setting(world, folder, _named(name, tell), size.seconds, size.venvs, size.peers)
        setting.tell("begins", 0.0)
        found[name] = {**stamp, "items": size.items, "rows": [asdict(row) for row in _rows(name, setting)]}
        if size.full:
            durable.write(RESULTS, json.dumps({**kept(), name: found[name]}, indent=1).encode() + b"\n")
    return found


def kept() -> dict[str, dict[str, Any]]:
    """What was measured last at full size, in the table's order."""
    stored: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {name: stored[name] for name in GROUPS if name in stored}


def _rows(name: str, setting: Setting) -> list[Row]:
    rows: list[Row] = []
    try:
        with setting.apart() as apart:
            rows.extend(GROUPS[name](apart))
    except (RatoonError, OSError, AssertionError) as fault:  # the hours that the other groups took must not be lost
        rows.append(not_run(f"{name}: the rest", "", f"{type(fault).__name__}: {fault}"))
    return rows


def _named(name: str, tell: Tell) -> Tell:
    return lambda what, share: tell(f"{name}: {what}", share)


def _check(size: Size) -> None:
    unknown = [name for name in size.only if name not in GROUPS]
    if unknown:
        raise UsageError("--only", expected=f"some of {', '.join(GROUPS)}", found=", ".join(unknown), fix="Name some of these.")
    for option, value, least in (("--items", size.items, LEAST), ("--seconds", size.seconds, 0.1)):
        if value < least:
            raise UsageError(option, expected=f"at least {least:g}", found=f"{value:g}", fix="Ask for more.")
