"""A million events sent by several callers at once, to a log whose process is struck again and again on the way."""

import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ratoon.bench.chaos.cells import WAYS
from ratoon.bench.chaos.matrix import ended, started
from ratoon.bench.chaos.victims import run
from ratoon.bench.chaos.world import house
from ratoon.domain.event import EVENT_SCHEMA

EVENTS = 1_000_000
BATCH = 500
CALLERS = 4
STRIKES = 20
POINTS = ("events.before_commit", "events.after_commit")
SENT = "sent.json"


@dataclass(frozen=True, slots=True)
class Poured:
    """What became of the events.

    Attributes:
        acknowledged: how many callers were told of; in the end all that were sent.
        lost: acknowledged, but not in the log, or not there as they were sent.
        doubled: there more than once.
        strikes: how often the process died or failed.
    """

    acknowledged: int
    lost: int
    doubled: int
    strikes: int


def poured(world: Path, folder: Path, tell: Callable[[str, float], None], count: int = EVENTS, strikes: int = STRIKES) -> Poured:
    """Send `count` events; what nobody was told to be taken is sent again, under the same ids.

    Args:
        world: see `matrix.prepared`.
    """
    tell(f"{count:,} events, and a log that fails {strikes} times", 0.0)
    ended(started(_pour, world, folder, count // BATCH, strikes))
    return Poured(**json.loads((folder / SENT).read_text()))


def _pour(world: Path, folder: Path, batches: int, strikes: int) -> None:
    home, chance, ways = folder / "home", random.Random(7), list(WAYS.values())
    shutil.copytree(world / "empty", home)
    shares, struck, acknowledged = max(1, strikes), 0, list[int]()
    for number in range(shares):
        share = range(number * batches // shares, (number + 1) * batches // shares)
        # A commit takes at most one batch of each caller: so many commits are certain to come.
        nth = chance.randint(1, max(1, len(share) // CALLERS))
        fault = f"{POINTS[number % len(POINTS)]}:{nth}:{ways[number % len(ways)]}" if strikes else ""
        first = run(folder, _send, home, share, fault=fault)
        struck += first.code != 0
        taken = {int(one) for one in first.said.split()}
        again = run(folder, _send, home, [one for one in share if one not in taken])
        acknowledged += [*taken, *map(int, again.said.split())]
    told = {"acknowledged": len(acknowledged) * BATCH, "strikes": struck, **found(home, acknowledged)}
    (folder / SENT).write_text(json.dumps(told))


def _send(home: Path, numbers: Sequence[int]) -> None:
    """Append the batches, several at a time; prints the number of each that was acknowledged."""

    def one(number: int) -> None:
        log.append(_batch(number))
        os.write(1, f"{number}\n".encode())

    with closing(house(home).log) as log, ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(one, numbers))


def found(home: Path, acknowledged: Sequence[int]) -> dict[str, int]:
    """What of the acknowledged is lost, and of all is doubled; read past our own code, which might skip what is wrong."""
    both = " UNION ALL ".join(f"SELECT event_id, user_id, item_id FROM {table}" for table in ("events", "tail"))
    with closing(sqlite3.connect(home / "var" / "events.sqlite")) as db:
        there = db.execute(both).fetchall()
    sent = {row for number in acknowledged for row in _rows(number)}
    return {"lost": len(sent - set(there)), "doubled": len(there) - len({event for event, _, _ in there})}


def _rows(number: int) -> list[tuple[str, str, str]]:
    """Id, user and item of a batch's events."""
    places = range(number * BATCH, (number + 1) * BATCH)
    return [(f"e{place}", f"u{place % 9_973}", f"i{place % 997}") for place in places]


def _batch(number: int) -> pa.Table:
    now = datetime.now(UTC)
    named = [dict(zip(("event_id", "user_id", "item_id"), row, strict=True)) for row in _rows(number)]
    same = {"kind": "interaction", "type": "click", "event_timestamp": now}
    return pa.Table.from_pylist([row | same for row in named], schema=EVENT_SCHEMA)
