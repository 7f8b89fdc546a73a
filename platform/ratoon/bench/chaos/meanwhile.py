"""What happens in the world while a stage stands still: events of every sort, and locks."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from ratoon.bench.chaos.world import LEARNT, SECOND, house, read
from ratoon.domain.event import EVENT_SCHEMA

SOME = 10
BURST = 1_050
"""Interactions of one user within an hour: more than feature_repo/ lets anybody have."""
HUGE = 4_000
"""Interactions in one window, of a history of several hundred."""


def come(home: Path, events: Path, fault: str) -> None:
    """Post what `fault` says; an error is raised as a caller sees it."""
    log = house(home).log
    with closing(log):
        for batch in _batches(read(events, 0, LEARNT + SECOND), fault):
            log.append(batch)


def brought(fault: str) -> int:
    """How many new events `come` acknowledges."""
    return {"late event": SOME, "out of order": SOME, "poisoned burst": BURST, "huge delta": HUGE}.get(fault, 0)


def _batches(known: pa.Table, fault: str) -> Iterator[pa.Table]:
    rows = [row for row in known.to_pylist() if row["kind"] == "interaction"]
    newest = rows[-1]["event_timestamp"]
    fresh = [row | {"event_id": f"{fault} {number}"} for number, row in enumerate(rows[-SOME:])]
    match fault:
        case "duplicate event":
            yield known.slice(LEARNT - 2 * SOME, 2 * SOME)  # in the log of every home
        case "late event":
            yield _table([row | {"event_timestamp": row["event_timestamp"] - timedelta(days=5)} for row in fresh])
        case "out of order":
            for number, row in enumerate(fresh):
                yield _table([row | {"event_timestamp": newest - timedelta(seconds=number)}])
        case "NaN/inf":
            yield _table([fresh[0] | {"value": float("nan")}, fresh[1] | {"value": float("inf")}])
        case "schema change":
            table = _table(fresh)
            place = table.schema.get_field_index("value")
            yield table.set_column(place, "value", pa.array(["five"] * SOME))
        case "poisoned burst":
            junk = {"user_id": "bot", "type": "rating", "value": 5.0}
            yield _table([_turn(rows, n, fault, timedelta(milliseconds=n)) | junk for n in range(BURST)])
        case "huge delta":
            yield _table([_turn(rows, n, fault, timedelta(minutes=n)) for n in range(HUGE)])


def _turn(rows: list[dict[str, Any]], number: int, fault: str, later: timedelta) -> dict[str, Any]:
    """One of the rows again, as another event."""
    when = rows[-1]["event_timestamp"] + later
    return rows[number % len(rows)] | {"event_id": f"{fault} {number}", "event_timestamp": when}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, EVENT_SCHEMA)


@contextmanager
def busy(path: Path) -> Iterator[None]:
    """Write to an SQLite file, and do not finish."""
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield
