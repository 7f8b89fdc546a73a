"""A home that is replayed into: the past is learnt before, and what comes then arrives through the API."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ratoon import config
from ratoon.bench.serving.servers import COMPILED
from ratoon.domain.errors import StoreError
from ratoon.refresh import refresh
from ratoon.wiring import House

SURFACE = "default"

CONFIG = """# Written by the soak: a clock that follows the events, and everything that runs by itself.
[paths]
home = "."
feature_repo = "{feature_repo}"

[clock]
mode = "log"

[serving]
log_level = "warning"

[jobs.learn]
do = "refresh"
every = "5 s"

[jobs.fill]
do = "materialize"
every = "1 min"

[jobs.tidy]
do = "gc"
every = "3 min"

[surfaces.default]
"""


@dataclass(frozen=True, slots=True)
class Home:
    """A folder with all state and its configuration file."""

    folder: Path
    file: str = "ratoon.toml"

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells a process to work on it."""
        ours = {**os.environ, **COMPILED, config.CONFIG: str(self.folder / self.file)}
        ours.pop(config.HOME, None)
        return ours

    def house(self) -> House:
        """Its rooms, in this process."""
        return House(config.load(self.folder / self.file, environment={}))


def bootstrapped(folder: Path, feature_repo: Path, past: pa.Table) -> Home:
    """A new home whose first release has learnt the past (EVENT_SCHEMA).

    Raises:
        StoreError: the past was not enough for a release.
    """
    folder.mkdir(parents=True)
    home = Home(folder)
    (folder / home.file).write_text(CONFIG.format(feature_repo=feature_repo))
    house = home.house()
    house.log.append(past, backfill=True)
    features = house.features(SURFACE)
    features.ingest()
    features.materialize()
    report = refresh(house.workshop(SURFACE), house.stopwatch())
    house.log.close()
    if report.outcome != "published":
        raise StoreError(str(folder), expected="a first release", found=report.outcome, fix="Give it a longer past.")
    return home
