"""`ratoon bench NAME`: a table of the README, measured again, as text or as JSON."""

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from ratoon import config
from ratoon.bench import chaos, faults, features, gpu, indexes, jobs, refreshes, serving, soaking, upkeep
from ratoon.bench.api import server
from ratoon.bench.demo import busiest, world_of
from ratoon.bench.loop import POLICIES, K, Loop
from ratoon.bench.row import Row, at_least, at_most
from ratoon.bench.showing import WIDE, err, progress, show, show_groups, show_measured
from ratoon.domain.errors import StoreError, UsageError


def loop_table() -> list[Row]:
    """The loop on MovieLens-100K: recall and cost of four policies, and what happened when things went wrong."""
    settings = config.load()
    _, events = world_of(None, settings.paths.home)
    with tempfile.TemporaryDirectory() as scratch:
        loop = Loop(Path(scratch), settings.paths.feature_repo, events, _tell)
        loop.bootstrap()
        user = busiest(events.slice(0, loop.cut))
        with server(0, loop.environment) as (api, _process):
            slices = list(loop.play(api, user))
            found = list(faults.checks(loop, api, user, "title"))
    later, cpu = slices[1:], slices[-1].cpu_seconds
    mean = {policy: sum(one.recall[policy] for one in later) / len(later) for policy in POLICIES}
    ours, full = mean["Ratoon"], mean["full retrain"]
    rows = [Row(f"recall@{K}, {policy}", round(value, 4), "share", "", True, "") for policy, value in mean.items()]
    rows += [
        at_least(f"recall@{K}, Ratoon / full retrain", ours / full, 0.95, "full retrain after each slice"),
        at_least(f"recall@{K}, Ratoon / live popularity", ours / mean["live popularity"], 1.0, "live popularity"),
        at_least(f"recall@{K}, Ratoon / never refreshed", ours / mean["never refreshed"], 0.97, "the first release throughout"),
        at_most("CPU seconds, Ratoon / full retrain", cpu["Ratoon"] / cpu["full retrain"], 0.5, "full retrain after each slice"),
        *(Row(check.name, float(check.holds), "held", "= 1", check.holds, check.seen) for check in found),
    ]
    return rows


TABLES = ("loop", "features", "refresh", "index", "gpu", "serve", "jobs", "upkeep", "chaos", "soak")


@dataclass(frozen=True, slots=True)
class Walks:
    """What `ratoon bench refresh` can be told besides `scale` and `stored`.

    Attributes:
        folder: what holds the sets, each in a folder of its name; the downloads of `ratoon data fetch` by default.
        sets: names of such folders; all that are known by default.
        refreshes, seeds: how many, per set.
        minutes: by the wall, after which the walk of a set ends early.
    """

    folder: Path | None = None
    sets: tuple[str, ...] = ()
    refreshes: int = 30
    seeds: int = 3
    minutes: float = float("inf")


@dataclass(frozen=True, slots=True)
class Soaks:
    """What `ratoon bench soak` can be told.

    Attributes:
        folder: a folder of events; MovieLens-100K if there is none.
        report: the HTML file; one under the home if there is none.
        seed: of the blows.
    """

    folder: Path | None = None
    minutes: float = 30.0
    report: Path | None = None
    seed: int = 0


def run(
    name: str,
    as_json: bool,
    *,
    scale: float = 1.0,
    only: str = "",
    stored: bool = False,
    walks: Walks | None = None,
    index: indexes.Size | None = None,
    serve: serving.Size | None = None,
    soak: Soaks | None = None,
) -> None:
    """Measure one table and print it.

    Args:
        scale: a share of the sizes of the tables of features, of refreshes and of the GPU.
        only: of the table of features: one group of its rows.
        stored: print a table as it was last measured at full size, without measuring; all but loop, jobs, chaos and soak.
        walks: of the table of refreshes.
        index: of the table of the index.
        serve: of the table of serving.
        soak: of the soak, which raises if anything did not hold.
    """
    _refuse(name, scale, only, stored)
    stamp = {"hardware": _hardware(), "date": datetime.now(UTC).date().isoformat(), "commit": _commit()}
    if name in ("jobs", "chaos"):
        (_worked if name == "jobs" else _struck)(only, scale, stamp, as_json)
        return
    if name in ("loop", "soak"):
        rows = loop_table() if name == "loop" else _soaked(soak or Soaks())
        show_measured(rows, stamp, as_json)
        _checked(rows if name == "soak" else [])
        return
    if name == "index":
        found = indexes.kept() if stored else _indexed(index or indexes.Size(), stamp)
        measured = ", ".join(str(found.get(key, "")) for key in stamp)
        title = f"{measured}; {found.get('items', 0):,} items, the bars are for {indexes.ITEMS:,}"
        show(found["rows"], title, found if as_json else None)
        return
    if name == "upkeep":
        groups = upkeep.kept() if stored else _kept_up(walks or Walks(), only, scale, stamp)
    elif name == "refresh":
        groups = refreshes.kept() if stored else _walked(walks or Walks(), scale, stamp)
    elif name == "serve":
        groups = serving.kept() if stored else _served(serve or serving.Size(), stamp)
    else:
        groups = _measured(name, scale, only, stamp) if not stored else (gpu if name == "gpu" else features).kept()
    show_groups(groups, scale, as_json)


def _refuse(name: str, scale: float, only: str, stored: bool) -> None:
    if name not in TABLES:
        raise UsageError("bench", expected=f"one of {', '.join(TABLES)}", found=repr(name), fix="Name one of these.")
    if name in ("jobs", "chaos") and stored:
        raise UsageError(f"bench {name}", expected="a measurement", found="--stored", fix="Leave it out: it takes minutes.")
    if name == "soak" and (scale != 1 or only or stored):
        raise UsageError("bench soak", expected="--minutes and --seed", found="another option", fix="Leave it out.")
    if name == "loop" and (scale != 1 or only or stored):
        raise UsageError("bench loop", expected="no options", found="some", fix="They belong to the other tables.")
    if (name == "index" and (scale != 1 or only)) or (name == "serve" and scale != 1):
        raise UsageError(f"bench {name}", expected="--items for another size", found="--scale or --only", fix="Leave them out.")


def _measured(name: str, scale: float, only: str, stamp: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The table of the GPU or of features; what is measured is printed as it begins."""

    def tell(what: str) -> None:
        err.print(what, highlight=False)

    return gpu.measure(scale, stamp, tell) if name == "gpu" else features.measure(only, scale, stamp, tell)


def _walked(walks: Walks, scale: float, stamp: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The table of refreshes, measured under a progress bar; its picture is written under the home."""
    settings = config.load()
    folder = walks.folder or settings.paths.home / "cache"
    size = refreshes.Size(scale, walks.refreshes, walks.seeds, walks.minutes)
    with progress() as tell:
        found = refreshes.measure(folder, settings.paths.feature_repo, walks.sets, size, stamp, tell)
    drawn = settings.paths.home / "bench" / "refresh.svg"
    refreshes.draw(drawn, found)
    err.print(f"the picture: {drawn}", highlight=False, soft_wrap=True)
    return found


def _kept_up(walks: Walks, only: str, scale: float, stamp: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The table of operations on a release, measured under a progress bar."""
    settings = config.load()
    size = upkeep.Size(walks.sets, tuple(one for one in only.split(",") if one), walks.seeds, scale)
    home = settings.paths.home
    with progress() as tell:
        return upkeep.measure(
            walks.folder or home / "cache", settings.paths.feature_repo, size, stamp, tell, home / "bench" / "upkeep"
        )


def _indexed(size: indexes.Size, stamp: dict[str, str]) -> dict[str, Any]:
    """The table of the index, measured under a progress bar; its picture is written under the home."""
    home = config.load().paths.home
    with progress() as tell:
        found = indexes.measure(home / "cache", size, stamp, tell)
    drawn = home / "bench" / "index.svg"
    indexes.draw(drawn, found)
    err.print(f"the picture: {drawn}", highlight=False, soft_wrap=True)
    return found


def _served(size: serving.Size, stamp: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The table of serving, each step of which is printed as it begins: it takes most of an hour."""
    begun = time.monotonic()

    def tell(what: str, _share: float) -> None:
        err.print(f"{time.monotonic() - begun:6.0f} s  {what}", highlight=False)

    return serving.measure(config.load().paths.home / "cache", size, stamp, tell)


def _checked(measured: list[Row]) -> None:
    """StoreError if something that had to hold did not."""
    if broken := [row for row in measured if not row.holds]:
        said = "; ".join(f"{row.quantity}: {row.against}" for row in broken)
        raise StoreError(
            "bench soak", expected="every check to hold", found=said, fix="Look at the report and at the home's logs."
        )


def _soaked(asked: Soaks) -> list[Row]:
    """Soak under a progress bar; the report is written whatever was found."""
    settings = config.load()
    home = settings.paths.home
    report = asked.report or home / "bench" / "soak.html"
    world, events = world_of(asked.folder, home)
    how = soaking.of_minutes(events.num_rows, asked.minutes, asked.seed)
    with progress() as tell:
        measured = soaking.soak(home / "bench" / "soak", settings.paths.feature_repo, events, how, world, report, tell)
    err.print(f"the report: {report}", highlight=False, soft_wrap=True)
    return measured


def _worked(only: str, scale: float, stamp: dict[str, str], as_json: bool) -> None:
    """The table of what runs by itself."""
    found = jobs.measure(config.load().paths.home / "cache", only, scale, stamp)
    show(found["rows"], f"{', '.join(stamp.values())}; scale {scale:g}", found if as_json else None)


def _struck(only: str, scale: float, stamp: dict[str, str], as_json: bool) -> None:
    """The matrix of faults, what became of those that are red, and its rows; exit 5 if one does not hold."""
    settings = config.load()
    with progress() as tell:
        found = chaos.measure(settings.paths.home / "cache", settings.paths.feature_repo, only, scale, stamp, tell)
    if not as_json:
        chaos.show(found["cells"], Console(width=WIDE))
    show(found["rows"], ", ".join(stamp.values()), found if as_json else None)
    whole = scale >= 1 and not only
    if not all(row["holds"] for row in found["rows"] if whole or row["quantity"] != chaos.FAULTS_ROW):
        raise SystemExit(5)


def _tell(what: str, share: float) -> None:
    if share == 0.0:
        err.print(what, highlight=False)


def _hardware() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else "unknown processor"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {name}, {memory:.0f} GiB"


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "unknown"
