"""The small world that all harm is done to, and what it looks like: everything an outcome is judged by.

`waiting` has two releases, and acknowledged events that nobody has looked at; `quiet` is as that was before they came, `unlearnt`
before the first release, and in `ingested` they are in the offline rows.
"""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon import config
from ratoon.bench.chaos.victims import ratoon, run
from ratoon.data import synth
from ratoon.domain.errors import RatoonError
from ratoon.domain.event import LOG_SCHEMA
from ratoon.wiring import House

USERS, ITEMS, INTERACTIONS = 40, 60, 700
LEARNT, SECOND, WAITING = 450, 100, 100
"""Events of the first release, those of the second, and those that wait."""

TOML = """
[paths]
home = "var"
feature_repo = "feature_repo"
[clock]
mode = "log"
[training]
dim = 8
epochs = 2
[index]
mapped = true
exact = 10
"""

BASES = ("empty", "unlearnt", "quiet", "waiting", "ingested")
EVENTS = "events.arrow"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a home holds, seen without changing it.

    Attributes:
        events, distinct: in the log, and how many ids they have.
        log: hash of all that was said of them, in order.
        releases: ids, newest first.
        whole: empty, or why the current release cannot be served.
        offline, online: hashes of the offline rows' files, and of the online store's rows.
        ordered: whether each event arrived after the one before it.
        interactions, counted, aside: how many interactions the log has, the items' aggregates know of, and quarantine keeps.
    """

    events: int
    distinct: int
    log: str
    releases: tuple[str, ...]
    whole: str
    offline: str
    online: str
    ordered: bool
    interactions: int
    counted: int
    aside: int


def make(folder: Path, feature_repo: Path) -> None:
    """The homes of `BASES` under `folder`, each step in a process of its own."""
    folder.mkdir(parents=True)
    home = folder / "quiet"
    home.mkdir()
    (home / "ratoon.toml").write_text(TOML)
    shutil.copytree(feature_repo, home / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(home, folder / "empty")
    _must(run(folder, _events, folder / EVENTS))
    for first, count in ((0, LEARNT), (LEARNT, SECOND)):
        _must(run(folder, post, home, folder / EVENTS, first, count))
        for command in ("ingest", "materialize"):
            _must(run(folder, ratoon, home, command))
        if not first:
            shutil.copytree(home, folder / "unlearnt")
        _must(run(folder, ratoon, home, "refresh"))
    shutil.copytree(home, folder / "waiting")
    _must(run(folder, post, folder / "waiting", folder / EVENTS, LEARNT + SECOND, WAITING))
    shutil.copytree(folder / "waiting", folder / "ingested")
    _must(run(folder, ratoon, folder / "ingested", "ingest"))


def house(home: Path) -> House:
    """The rooms of a home."""
    return House(config.load(home / "ratoon.toml", environment={}))


def read(events: Path, first: int, count: int) -> pa.Table:
    """Some of the world's events (EVENT_SCHEMA)."""
    with pa.ipc.open_file(events) as file:
        return file.read_all().slice(first, count)


def post(home: Path, events: Path, first: int, count: int, batch: int = 0) -> None:
    """Append events, in batches; prints how many were acknowledged after each, as a caller would hear it."""
    log, table = house(home).log, read(events, first, count)
    for start in range(0, count, batch or count):
        log.append(table.slice(start, batch or count))
        print(min(start + (batch or count), count), flush=True)
    log.close()


def look(home: Path) -> None:
    """Print the home's `Sight` as JSON."""
    print(json.dumps(asdict(_sight(home))))


def seen(home: Path, scratch: Path) -> Sight:
    """The home's `Sight`, seen by a process of its own."""
    found = _must(run(scratch, look, home))
    return told(json.loads(found))


def told(raw: dict[str, Any]) -> Sight:
    """The inverse of `asdict`, after JSON."""
    return Sight(**{**raw, "releases": tuple(raw["releases"])})


def _must(ended: object) -> str:
    code, said, complained = (getattr(ended, name) for name in ("code", "said", "complained"))
    if code != 0:
        raise RuntimeError(f"exit {code}: {complained[-2000:]}")
    return str(said)


def _events(path: Path) -> None:
    table = synth(USERS, ITEMS, INTERACTIONS, seed=3)
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def _sight(home: Path) -> Sight:
    rows = _logged(home / "var" / "events.sqlite")
    ids, arrived = [row["event_id"] for row in rows], [row.pop("created_timestamp") for row in rows]
    rooms, releases, whole = house(home), list[str](), ""
    registry = rooms.registry("default")
    try:
        releases = [release.id for release in registry.releases()]
        if current := registry.current():
            registry.load(current)
    except RatoonError as error:
        whole = str(error)
    features = home / "var" / "features"
    return Sight(
        events=len(ids),
        distinct=len(set(ids)),
        log=hashlib.sha256(json.dumps(rows).encode()).hexdigest(),
        releases=tuple(releases),
        whole=whole,
        offline=_files(features),
        online=_rows(features / "online.db"),
        ordered=all(before < after for before, after in pairwise(arrived)),
        interactions=sum(row["kind"] == "interaction" for row in rows),
        counted=_counted(features / "item_popularity"),
        aside=len(rooms.quarantine.listed()) if (features / "quarantine").exists() else 0,
    )


def _logged(path: Path) -> list[dict[str, Any]]:
    """The log's rows, in order; read past our own code, which might skip what is wrong."""
    if not path.exists():
        return []
    names = ", ".join(f'"{name}"' for name in LOG_SCHEMA.names)
    both = " UNION ALL ".join(f"SELECT {names} FROM {table}" for table in ("events", "tail"))
    with closing(sqlite3.connect(path, timeout=30)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(f'{both} ORDER BY "offset"')]


def _counted(folder: Path) -> int:
    """Interactions that the newest row of every item counts."""
    most = dict[str, int]()
    for path in folder.glob("part-*.parquet"):
        table = pq.read_table(path, columns=["item_id", "item_events"])
        for item, count in zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True):
            most[item] = max(most.get(item, 0), count)
    return sum(most.values())


def _files(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("part-*.parquet")):
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _rows(path: Path) -> str:
    digest = hashlib.sha256()
    if not path.is_file():
        return ""
    with closing(sqlite3.connect(path, timeout=30)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        for table in (name for name in tables if "/" in name):
            for row in db.execute(f'SELECT entity_key, event_ts, row FROM "{table}" ORDER BY entity_key'):
                digest.update(repr((table, row)).encode())
    return digest.hexdigest()
