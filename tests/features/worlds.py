"""Homes with a real log and a real Feast repository, as the tests of this folder build them."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from ratoon.events import SqliteEventLog
from ratoon.features.store import FeastFeatures, open_features
from ratoon.ports import WholeLog
from tests.fakes.events import START

ROOT = Path(__file__).resolve().parents[2]
REPO = ROOT / "feature_repo"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = timedelta(microseconds=1)

Edits = Mapping[str, Iterable[tuple[str, str]]]
"""File name -> the texts to replace in it, and by what."""


@dataclass(frozen=True)
class World:
    """One home: its log, and the features over it."""

    home: Path
    log: SqliteEventLog
    features: FeastFeatures

    def ingest(self) -> "World":
        self.features.ingest()
        return self

    def learnt(self) -> "World":
        """Ingested and materialised."""
        self.features.ingest()
        self.features.materialize()
        return self


def world(home: Path, *events: pa.Table, repo: Path = REPO, backfill: bool = True) -> World:
    log = SqliteEventLog(home / "events.sqlite", "log", lambda: START)
    for batch in events:
        log.append(batch, backfill=backfill)
    return World(home, log, opened(home, log, repo))


def opened(home: Path, log: WholeLog, repo: Path = REPO) -> FeastFeatures:
    return open_features(repo, home, log, user_service="user_tower", item_service="item_tower")


def repo_copy(folder: Path, edits: Edits | None = None) -> Path:
    """The shipped feature repository in `folder`, with some texts replaced."""
    repo = folder / "feature_repo"
    shutil.copytree(REPO, repo, ignore=shutil.ignore_patterns("__pycache__"))
    for name, changes in (edits or {}).items():
        text = (repo / name).read_text()
        for old, new in changes:
            assert old in text, f"{name} has no {old!r}"
            text = text.replace(old, new)
        (repo / name).write_text(text)
    return repo


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // US


def rows(table: pa.Table) -> set[str]:
    """A table's rows, comparable whatever their order."""
    return {repr(row) for row in table.to_pylist()}
