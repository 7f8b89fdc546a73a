"""`ratoon bench NAME`: a table of the README, measured again, as text or as JSON."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ratoon import config
from ratoon.bench import faults
from ratoon.bench.api import server
from ratoon.bench.demo import busiest, world_of
from ratoon.bench.loop import POLICIES, K, Loop
from ratoon.domain.errors import UsageError

err = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: what was measured, the bar it has to clear, and what it is measured against."""

    quantity: str
    value: float
    unit: str
    bar: str
    holds: bool
    against: str


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
        _at_least(f"recall@{K}, Ratoon / full retrain", ours / full, 0.95, "full retrain after each slice"),
        _at_least(f"recall@{K}, Ratoon / live popularity", ours / mean["live popularity"], 1.0, "live popularity"),
        _at_least(f"recall@{K}, Ratoon / never refreshed", ours / mean["never refreshed"], 0.97, "the first release throughout"),
        _at_most("CPU seconds, Ratoon / full retrain", cpu["Ratoon"] / cpu["full retrain"], 0.5, "full retrain after each slice"),
        *(Row(check.name, float(check.holds), "held", "= 1", check.holds, check.seen) for check in found),
    ]
    return rows


TABLES: dict[str, Callable[[], list[Row]]] = {"loop": loop_table}


def run(name: str, as_json: bool) -> None:
    """Measure one table and print it."""
    if name not in TABLES:
        raise UsageError("bench", expected=f"one of {', '.join(TABLES)}", found=repr(name), fix="Name one of these.")
    rows = TABLES[name]()
    stamp = {"hardware": _hardware(), "date": datetime.now(UTC).date().isoformat(), "commit": _commit()}
    if as_json:
        sys.stdout.write(json.dumps({**stamp, "rows": [asdict(row) for row in rows]}) + "\n")
        return
    table = Table(title=", ".join(stamp.values()), title_justify="left", box=None)
    for column in ("quantity", "value", "unit", "bar", "holds", "against"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.quantity, f"{row.value:.4g}", row.unit, row.bar, "yes" if row.holds else "NO", row.against)
    Console().print(table)


def _tell(what: str, share: float) -> None:
    if share == 0.0:
        err.print(what, highlight=False)


def _at_least(quantity: str, value: float, bar: float, against: str) -> Row:
    return Row(quantity, round(value, 4), "ratio", f">= {bar}", value >= bar, against)


def _at_most(quantity: str, value: float, bar: float, against: str) -> Row:
    return Row(quantity, round(value, 4), "ratio", f"<= {bar}", value <= bar, against)


def _hardware() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = models[0].partition(":")[2].strip() if models else "unknown processor"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {name}, {memory:.0f} GiB"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
