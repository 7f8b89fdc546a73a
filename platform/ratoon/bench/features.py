"""`ratoon bench features`: Feast's own stores and ours on the same work, in turns, and increments beside the whole.

Of joins and reads only equal answers are compared: where two sides differ, the measurement stops. Materialisations are of
different sizes and are held to their row counts. What was measured last is kept in `results/features.json`, group by group.
"""

import json
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from ratoon import durable
from ratoon.bench.processes import Outcome, finished, server, watched, world
from ratoon.bench.row import Row, at_least, at_most
from ratoon.domain.errors import DataError, UsageError

RESULTS = Path(__file__).parent / "results" / "features.json"
MILLION = 1_000_000
REPEATS, READERS = 5, 3

Tell = Callable[[str], None]


def joins(scratch: Path, scale: float, tell: Tell) -> list[Row]:
    """A million entity rows over four views of a million rows, and a tenth of them."""
    rows = int(MILLION * scale)
    world("joins", scratch / "world", "--rows", rows, "--entities", rows)
    found: list[Row] = []
    for first, bars in ((rows, {"polars": 15.0, "duckdb": 8.0}), (rows // 10, {"either engine": 5.0})):
        sides = _joined(scratch, first, tell)
        theirs, many = sides["feast"], f"{first:,} entity rows"
        for engine, bar in bars.items():
            wall = (
                min(sides[name]["wall"] for name in ("polars", "duckdb")) if engine == "either engine" else sides[engine]["wall"]
            )
            against = f"Feast's DuckDB store: {theirs['wall']:.2f} s against {wall:.2f} s, medians of {REPEATS}"
            found.append(at_least(f"joins, {many}: {engine}", theirs["wall"] / wall, bar, against, "times as fast"))
        for engine in ("polars", "duckdb") if first == rows else ():
            mine = sides[engine]["rss_mb"]
            against = f"Feast's DuckDB store: {theirs['rss_mb']:.0f} MiB against {mine:.0f} MiB"
            found.append(at_most(f"joins, {many}: peak memory, {engine}", mine / theirs["rss_mb"], 0.5, against))
    return found


def _joined(scratch: Path, first: int, tell: Tell) -> dict[str, dict[str, float]]:
    runs: dict[str, list[dict[str, Any]]] = {"feast": [], "polars": [], "duckdb": []}
    for repeat in range(REPEATS):
        for side, said in runs.items():
            tell(f"joins: {first:,} entity rows, {side}, {repeat + 1} of {REPEATS}")
            said.append(_store("join", scratch / "world", side, "--first", first))
    return _medians(runs, ("wall", "rss_mb"))


def large(scratch: Path, scale: float, tell: Tell) -> list[Row]:
    """A million entity rows over four views of twenty million."""
    rows = int(MILLION * scale)
    world("joins", scratch / "world", "--rows", 20 * rows, "--entities", rows)
    outcomes: dict[str, Outcome] = {}
    for side, limits in (("polars", (600, 8_192)), ("duckdb", (600, 8_192)), ("feast", (300, 14_336))):
        tell(f"large: {side}")
        with tempfile.TemporaryDirectory() as folder:
            command = ("join", scratch / "world", folder, "--side", side)
            outcomes[side] = watched("feast_store", *command, seconds=limits[0], memory_mb=limits[1])
    _equal({side: outcome.said["digest"] for side, outcome in outcomes.items() if not outcome.ended})
    theirs = _told(outcomes.pop("feast"))
    return [
        Row(
            f"joins over tables of {20 * rows:,} rows: peak memory, {side}",
            round(outcome.peak_mb / 1024, 3),
            "GiB",
            "< 6",
            not outcome.ended and outcome.peak_mb < 6 * 1024,
            f"ours: {_told(outcome)}; Feast's DuckDB store: {theirs}",
        )
        for side, outcome in outcomes.items()
    ]


def _told(outcome: Outcome) -> str:
    how = outcome.ended or f"{outcome.said['wall']:.1f} s of work"
    return f"{how}, peak {outcome.peak_mb / 1024:.1f} GiB"


def materialize(scratch: Path, scale: float, tell: Tell) -> list[Row]:
    """Ten features of a million entities into SQLite and Redis; Feast's own stores on a tenth of them."""
    rows = int(MILLION * scale)
    world("profiles", scratch / "ours", "--rows", rows)
    world("profiles", scratch / "feast", "--rows", rows // 10)
    found = []
    for kind in ("sqlite", "redis"):
        runs: dict[str, list[dict[str, Any]]] = {"feast": [], "ours": []}
        which = kind
        for repeat in range(REPEATS):
            for side, said in runs.items():
                tell(f"materialize into {kind}: {side}, {repeat + 1} of {REPEATS}")
                which, one = _online("materialize", scratch / side, side, kind)
                said.append(one | {"rate": one["rows"] / one["cpu"]})
        _filled(runs, {"ours": rows, "feast": rows // 10})
        sides = {side: {name: median(one[name] for one in said) for name in ("rate", "rss_mb")} for side, said in runs.items()}
        mine, theirs = sides["ours"]["rate"], sides["feast"]["rate"]
        against = (
            f"Feast's store, {rows // 10:,} entities: {theirs:,.0f} rows a CPU second against {mine:,.0f}, of {rows:,}; {which}"
        )
        found.append(at_least(f"materialize into {kind}, rows per CPU second", mine / theirs, 10, against, "times as many"))
    return found


def _filled(runs: dict[str, list[dict[str, Any]]], rows: dict[str, int]) -> None:
    for side, said in runs.items():
        if any(one["rows"] != rows[side] for one in said):
            raise DataError("bench features", expected=f"{rows[side]} rows", found=str(said), fix="Report it with this text.")


def online(scratch: Path, scale: float, tell: Tell) -> list[Row]:
    """Twenty features of 1 and of 500 users, against the bare client reading the same bytes."""
    world("profiles", scratch / "world", "--rows", max(500, int(20_000 * scale)), "--views", 2)
    found = []
    for kind in ("redis", "sqlite"):
        runs: dict[str, list[dict[str, Any]]] = {"ours": [], "feast": []}
        which = kind
        for repeat in range(READERS):
            for side, said in runs.items():
                tell(f"online reads from {kind}: {side}, {repeat + 1} of {READERS}")
                which, one = _online("read", scratch / "world", side, kind)
                said.append(one)
        _equal({f"{side} {place}": one["digest"] for side, said in runs.items() for place, one in enumerate(said)})
        for size in (1, 500):
            ratio = {side: median(one[f"ask_{size}"] / one[f"bare_{size}"] for one in said) for side, said in runs.items()}
            mine = median(one[f"ask_{size}"] for one in runs["ours"]) * 1e3
            theirs = median(one[f"ask_{size}"] for one in runs["feast"]) * 1e3
            against = f"bare {which} of the same bytes, {mine:.3f} ms; Feast's store: {ratio['feast']:.1f}, {theirs:.3f} ms"
            found.append(at_most(f"online read from {kind}, {size} x 20 features", ratio["ours"], 2, against))
    return found


def deltas(scratch: Path, scale: float, tell: Tell) -> list[Row]:
    """One file of a hundred is new in a table of ten million rows."""
    rows = int(10 * MILLION * scale)
    tell(f"deltas: {rows:,} rows")
    said = finished("increments", "deltas", scratch, "--rows", rows)
    time = said["seconds"] / said["scan_seconds"]
    against = f"reading all files: {said['scan_seconds']:.2f} s against {said['seconds']:.3f} s, medians of {REPEATS}"
    return [
        at_most(f"delta of 1 % of {rows:,} rows: bytes", said["bytes"], 0.05, "the files' bytes", "share"),
        at_most(f"delta of 1 % of {rows:,} rows: time", time, 0.1, against, "share"),
    ]


def aggregates(scratch: Path, scale: float, tell: Tell) -> list[Row]:
    """A hundredth of ten million events is new to two views of seven folds."""
    rows = int(10 * MILLION * scale)
    tell(f"aggregates: {rows:,} events")
    said = finished("increments", "aggregates", scratch, "--rows", rows, seconds=1800)
    fair = said["full_cpu"] * said["part_events"] / said["full_events"]
    against = (
        f"the same share of a recompute: {fair:.2f} CPU s of {said['full_cpu']:.1f} ({said['full_events']:,.0f} events), "
        f"{said['part_cpu']:.2f} for {said['part_events']:,.0f} new ones"
    )
    return [at_most(f"folding in 1 % of {rows:,} events: CPU", said["part_cpu"] / fair, 2, against)]


GROUPS: dict[str, Callable[[Path, float, Tell], list[Row]]] = {
    "joins": joins,
    "large": large,
    "materialize": materialize,
    "online": online,
    "deltas": deltas,
    "aggregates": aggregates,
}


def measure(only: str, scale: float, stamp: dict[str, str], tell: Tell) -> dict[str, dict[str, Any]]:
    """Measure one group, or all without a name; group -> stamp and rows. At scale 1 each is kept as soon as it is measured.

    Raises:
        UsageError: no group has this name.
        DataError: two sides gave different answers.
    """
    if only and only not in GROUPS:
        raise UsageError("--only", expected=f"one of {', '.join(GROUPS)}", found=repr(only), fix="Leave it out for all.")
    if not 0.001 <= scale <= 1:
        raise UsageError("--scale", expected="0.001 to 1", found=str(scale), fix="The bars are for 1.")
    found = {}
    for name in [only] if only else GROUPS:
        with tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch:
            found[name] = {**stamp, "rows": [asdict(row) for row in GROUPS[name](Path(scratch), scale, tell)]}
        if scale == 1:
            durable.write(RESULTS, json.dumps({**kept(), name: found[name]}, indent=1).encode() + b"\n")
    return found


def kept() -> dict[str, dict[str, Any]]:
    """What was measured last at scale 1: group -> stamp and rows, in the order of `GROUPS`."""
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return {name: stored[name] for name in GROUPS if name in stored}


def _store(work: str, folder: Path, side: str, *more: object) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        return finished("feast_store", work, folder, scratch, "--side", side, *more)


def _online(work: str, folder: Path, side: str, kind: str) -> tuple[str, dict[str, Any]]:
    """Which store it was, and what the script said."""
    if kind == "sqlite":
        return "SQLite", _store(work, folder, side)
    with server() as (address, which):
        return which, _store(work, folder, side, "--address", address)


def _medians(runs: dict[str, list[dict[str, Any]]], names: Iterable[str]) -> dict[str, dict[str, float]]:
    _equal({f"{side} {place}": one["digest"] for side, said in runs.items() for place, one in enumerate(said)})
    wanted = tuple(names)
    return {side: {name: median(one[name] for one in said) for name in wanted} for side, said in runs.items()}


def _equal(digests: dict[str, str]) -> None:
    if len(set(digests.values())) > 1:
        raise DataError(
            "bench features", expected="equal answers", found=str(digests), fix="Speed is compared only between them."
        )
