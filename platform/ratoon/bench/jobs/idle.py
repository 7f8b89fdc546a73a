"""A refresh that finds nothing new: what it costs, and that it publishes nothing."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from resource import RUSAGE_CHILDREN, getrusage

from ratoon.bench.row import Row, at_most, told
from ratoon.bench.soaking.home import SURFACE, Home
from ratoon.domain.errors import StoreError

TIMES = 10
"""Refreshes of which the fastest counts: whoever else uses the machine slows all of them."""
FIRST = 3
"""Refreshes before them, at most, until one has looked long enough after the last change to remember what it saw."""
SETTLED = 2.5


def rows(home: Home) -> Iterator[Row]:
    """Refresh a home in which nothing is new, each time as a process of its own.

    Raises:
        StoreError: there was something new.
    """
    registry = home.house().registry(SURFACE)
    before, memory = registry.get(None), home.folder / "releases" / SURFACE / "idle.json"
    for _ in range(FIRST):
        time.sleep(SETTLED)
        _refreshed(home)
        if memory.exists():
            break
    spent = [_refreshed(home) for _ in range(TIMES)]
    after = registry.get(None)
    against = f"best of {TIMES} processes, from start to end; {min(cpu for _, cpu in spent):.2f} CPU seconds"
    yield at_most("idle refresh", min(wall for wall, _ in spent), 0.3, against, "s")
    yield at_most("releases published by idle refreshes", after.sequence - before.sequence, 0, f"{TIMES} times", "releases")
    yield told("idle refresh, slowest", max(wall for wall, _ in spent), "s", "")


def _refreshed(home: Home) -> tuple[float, float]:
    """Seconds by the wall and of the processor."""
    wall, used = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "ratoon", "refresh", "--json"], env=dict(home.environment), capture_output=True, check=False
    )
    spent, now = time.perf_counter() - wall, getrusage(RUSAGE_CHILDREN)
    outcome = json.loads(done.stdout)["outcome"] if done.returncode == 0 else done.stderr.decode().strip()[-300:]
    if outcome != "skipped":
        raise StoreError("an idle refresh", expected="nothing new", found=outcome, fix="Let the replay before it settle.")
    return spent, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
