"""How many events a second are made durable, beside a plain table that has the same rows in the same commits."""

import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from ratoon.bench.row import Row, at_least, told
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.events import SqliteEventLog

EVENTS = 200_000
"""A dozen times what waits for its indexes: what sorting in costs is in the figure."""
BATCH = 100
THREADS = 16
"""Callers at once, each with a batch: as many as the threads of a server that append."""
ROUNDS = 3

_TABLE = """CREATE TABLE events (
    "offset" INTEGER PRIMARY KEY, event_id TEXT, kind TEXT, user_id TEXT, item_id TEXT, type TEXT, event_timestamp INTEGER)"""
_INSERT = "INSERT INTO events (event_id, kind, user_id, item_id, type, event_timestamp) VALUES (?, ?, ?, ?, ?, ?)"
_COLUMNS = ("event_id", "kind", "user_id", "item_id", "type", "event_timestamp")

Timed = tuple[float, float]
"""Seconds by the wall and of the processor."""


def rows(folder: Path, scale: float) -> list[Row]:
    """Ingest of `EVENTS` x `scale` events by the log, and by a table of SQLite's with the same settings and no index."""
    batches = _batches(max(1, round(EVENTS * scale / BATCH)))
    count = sum(batch.num_rows for batch in batches)
    plain = [_plain(batch) for batch in batches]
    ours, raw = [], []
    for number in range(ROUNDS):  # by turns: whoever else uses the disk slows both
        ours.append(_log(folder / f"log{number}.sqlite", batches))
        raw.append(_raw(folder / f"raw{number}.sqlite", plain))
    best, bare = min(wall for wall, _ in ours), min(wall for wall, _ in raw)
    against = f"best of {ROUNDS}, {count:,} events in batches of {BATCH}, {THREADS} callers at once; every commit synced"
    bare_against = f"raw: a table without indexes, one commit for each batch: {count / bare:,.0f} events/s"
    return [
        at_least("durable ingest", count / best, 20_000, against, "events/s"),
        at_least("durable ingest / raw append", bare / best, 0.5, bare_against),
        told("durable ingest, processor", count / min(cpu for _, cpu in ours), "events/CPU-s", "all threads"),
        told("raw append, processor", count / min(cpu for _, cpu in raw), "events/CPU-s", ""),
    ]


def _batches(count: int) -> list[pa.Table]:
    chance, now = random.Random(0), datetime.now(UTC)
    return [
        pa.Table.from_pylist(
            [
                {
                    "event_id": f"{chance.getrandbits(128):032x}",
                    "kind": "interaction",
                    "user_id": f"u{chance.randrange(100_000)}",
                    "item_id": f"i{int(chance.paretovariate(1)) % 50_000}",
                    "type": "click",
                    "event_timestamp": now,
                }
                for _ in range(BATCH)
            ],
            schema=EVENT_SCHEMA,
        )
        for _ in range(count)
    ]


def _plain(batch: pa.Table) -> list[tuple[object, ...]]:
    columns = (batch.column(name) for name in _COLUMNS)
    lists = ((one.cast(pa.int64()) if pa.types.is_timestamp(one.type) else one).to_pylist() for one in columns)
    return list(zip(*lists, strict=True))


def _log(path: Path, batches: Sequence[pa.Table]) -> Timed:
    with closing(SqliteEventLog(path, "wall", lambda: datetime.now(UTC))) as log, ThreadPoolExecutor(THREADS) as threads:
        spent = _timed(lambda: list(threads.map(log.append, batches)))
        assert log.end() == sum(batch.num_rows for batch in batches)
    return spent


def _raw(path: Path, batches: Sequence[Sequence[tuple[object, ...]]]) -> Timed:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(_TABLE)

        def append() -> None:
            for batch in batches:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(_INSERT, batch)
                db.execute("COMMIT")

        return _timed(append)


def _timed(work: Callable[[], object]) -> Timed:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
