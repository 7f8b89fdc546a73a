"""One soak from an empty folder to a report."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ratoon import durable
from ratoon.bench.faults import Check
from ratoon.bench.row import Row, told
from ratoon.bench.soaking.checks import checks
from ratoon.bench.soaking.figures import failures, share, waits
from ratoon.bench.soaking.home import bootstrapped
from ratoon.bench.soaking.page import page
from ratoon.bench.soaking.playing import Play, Tell, play
from ratoon.bench.soaking.seen import Seen
from ratoon.bench.soaking.strikes import Fate
from ratoon.bench.soaking.traffic import ok
from ratoon.bench.soaking.undisturbed import beside, kept

PACE = 20.0
"""Events a second, as long as the world has some."""


@dataclass(frozen=True, slots=True)
class Soak:
    """What is asked for.

    Attributes:
        past: how many of the events are learnt before.
        most: how many events are replayed at most.
    """

    past: int
    most: int
    play: Play


def of_minutes(events: int, minutes: float, seed: int, fate: Fate | None = None) -> Soak:
    """The soak of a world of so many events; its first 60 % are the past, at least."""
    most = min(int(PACE * 60 * minutes), int(events * 0.4))
    return Soak(int(events * 0.6), most, Play(60 * minutes, seed, fate or Fate()))


def soak(folder: Path, feature_repo: Path, events: pa.Table, how: Soak, world: str, report: Path, tell: Tell) -> list[Row]:
    """Replay, compare, and write the report.

    Args:
        folder: where the homes are made, anew.
        events: EVENT_SCHEMA, in time order.
        world: what it is called.
    """
    tell("learning the past", 0.0)
    for one in (folder, beside(folder)):
        shutil.rmtree(one, ignore_errors=True)
    home = bootstrapped(folder, feature_repo, events.slice(0, how.past))
    before, replayed = kept(home), events.slice(how.past, how.most)
    seen = play(home, replayed, how.play, tell)
    found = list(checks(home, before, replayed, seen, tell))
    durable.write(report, page(world, seen, found, datetime.now(UTC), processors()).encode())
    return rows(seen, found)


def rows(seen: Seen, found: Sequence[Check]) -> list[Row]:
    """What held, and what was measured beside it."""
    waited = [seconds for _, seconds in waits(seen.sent, seen.asked, seen.published)]
    excused, good = failures(seen)[0], sum(ok(one.status) for one in seen.asked)
    struck = {name: sum(life.struck is not None and life.how != "" for life in lives[:-1]) for name, lives in seen.lives.items()}
    blows = ", ".join(f"{name} {count}" for name, count in struck.items())
    against = f"{len(waited):,} events, kills included; p50 {share(waited, 0.5):.1f} s"
    return [
        *(Row(check.name, float(check.holds), "held", "= 1", check.holds, check.seen) for check in found),
        told("event to candidate, p95", share(waited, 0.95), "s", against),
        told("blows", sum(struck.values()), "SIGKILL or SIGTERM", blows),
        told("releases", len(seen.published) - 1, "published", f"in {seen.seconds:.0f} s"),
        told("answers", good, "answers 2xx", f"{len(excused)} requests failed while the server was down"),
        told("memory of the server, most", max(one.server for one in seen.memory), "MiB", "resident"),
        told("memory of the worker and its runs, most", max(one.worker for one in seen.memory), "MiB", "resident"),
    ]


def processors() -> str:
    """How many there are, and how much they had to do lately."""
    return f"{os.cpu_count()} processors, load {os.getloadavg()[2]:.1f}"
