"""Ratoon's deltas and folds on ten million rows, beside the same work done in full; a script, measured alone.

Prints one JSON object of medians and sums.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ratoon import data
from ratoon.events import SqliteEventLog
from ratoon.features.deltas import changed, remember
from ratoon.features.folds.ingest import ingest
from ratoon.features.views import View, ViewField

PARTS, REPEATS = 100, 5
START_US, DAY_US = 1_767_225_600_000_000, 86_400_000_000
TIME = pa.timestamp("us", "UTC")


def main() -> None:
    """Do what the command line says and print what it took."""
    asked = argparse.ArgumentParser()
    asked.add_argument("work", choices=("deltas", "aggregates"))
    asked.add_argument("scratch", type=Path, help="an empty folder")
    asked.add_argument("--rows", type=int, required=True)
    given = asked.parse_args()
    done = (deltas if given.work == "deltas" else aggregates)(given.scratch.resolve(), given.rows)
    sys.stdout.write("\n" + json.dumps(done) + "\n")


def deltas(scratch: Path, rows: int) -> dict[str, float]:
    """A table of 100 files; five times one more arrives, and what came is asked for; beside it a scan of all files."""
    random, folder = np.random.default_rng(0), scratch / "table"
    fields = tuple(ViewField(f"f{number}", "DOUBLE") for number in range(5))
    view = View("bench", "table", "user", "foreign", f"{folder}/*.parquet", "event_timestamp", fields, True, "created_timestamp")
    folder.mkdir()
    for number in range(PARTS - 1):
        _part(folder, number, rows // PARTS, random)
    position, took = remember(view, None, scratch / "state"), dict[str, list[float]]()
    for number in range(PARTS - 1, PARTS - 1 + REPEATS):
        _part(folder, number, rows // PARTS, random)
        begun = time.perf_counter()
        found = changed(view, position, scratch / "state")
        seconds = time.perf_counter() - begun
        assert (found.rows.num_rows, found.gone.num_rows) == (rows // PARTS, 0)
        scan = _scan(folder)
        position = found.position
        of = {"seconds": seconds, "scan_seconds": scan, "bytes": found.stats.bytes_read / found.stats.bytes_of_scan}
        for name, value in of.items():
            took.setdefault(name, []).append(value)
    return {name: statistics.median(values) for name, values in took.items()}


def _part(folder: Path, number: int, rows: int, random: np.random.Generator) -> None:
    us = np.sort(random.integers(0, DAY_US, rows)) + START_US + number * DAY_US
    columns = {"user_id": pa.array([f"u{who}" for who in random.integers(0, 1_000_000, rows).tolist()])}
    columns |= {"event_timestamp": pa.array(us).cast(TIME), "created_timestamp": pa.array(us + 1).cast(TIME)}
    columns |= {f"f{place}": pa.array(random.normal(size=rows)) for place in range(5)}
    pq.write_table(pa.table(columns), folder / f"part-{number:03}.parquet")


def _scan(folder: Path) -> float:
    begun = time.perf_counter()
    for file in sorted(folder.glob("*.parquet")):
        pq.read_table(file)
    return time.perf_counter() - begun


def aggregates(scratch: Path, rows: int) -> dict[str, float]:
    """CPU seconds of folding all events but the last twentieth, then of folding that in by hundredths: their median."""
    users = max(100, rows // 100)
    data.write_torrent(scratch / "world", users, max(100, users // 4), rows, 0, lambda _: None)
    log = SqliteEventLog(scratch / "events.sqlite", "log", lambda: datetime.now(UTC))
    rest: list[pa.Table] = []
    with data.stream(scratch / "world", scratch / "quarantine.csv") as world:
        cut = world.rows - REPEATS * (rows // PARTS)
        log.load(_before(world.batches, cut, rest))
    views, late = [_folded(scratch, "user"), _folded(scratch, "item")], pa.concat_tables(rest)
    full, took = _cpu(views, log, scratch), []
    for number in range(REPEATS):
        log.append(late.slice(number * (rows // PARTS), rows // PARTS), backfill=True)
        took.append(_cpu(views, log, scratch))
    log.close()
    sys.stderr.write(f"{full:.1f} CPU s, then {took}\n")
    return {"full_cpu": full, "part_cpu": statistics.median(took), "full_events": cut, "part_events": rows // PARTS}


def _before(batches: Iterator[pa.Table], cut: int, rest: list[pa.Table]) -> Iterator[pa.Table]:
    done = 0
    for batch in batches:
        keep = max(0, min(batch.num_rows, cut - done))
        done += batch.num_rows
        if keep:
            yield batch.slice(0, keep)
        if keep < batch.num_rows:
            rest.append(batch.slice(keep))


def _folded(scratch: Path, entity: str) -> View:
    """A view like those of `feature_repo`."""
    fields = [ViewField("events", "INT64", "count"), ViewField("recent", "INT64", "count(7d)")]
    fields += [ViewField("mean", "FLOAT", "mean(value, 28d)"), ViewField("history", "STRING_LIST", "last(item_id, 20)")]
    kept = tuple(fields if entity == "user" else fields[:3])
    path = f"{scratch}/{entity}/*.parquet"
    return View("bench", entity, "user" if entity == "user" else "item", "interaction", path, "event_timestamp", kept)


def _cpu(views: list[View], log: SqliteEventLog, scratch: Path) -> float:
    begun = time.process_time()
    ingest(views, log, scratch / "aside" / "values")
    return time.process_time() - begun


if __name__ == "__main__":
    main()
