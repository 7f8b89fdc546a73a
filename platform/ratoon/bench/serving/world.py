"""A home that `ratoon serve` can serve, made without training: items, users with features and a past, and releases.

Its vectors are drawn and not learnt, so that what a search should find is known; everything else is as a refresh leaves it.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ratoon import durable
from ratoon.bench.serving import editions, history, inputs, model
from ratoon.bench.serving.crowd import Crowd
from ratoon.domain.release import Release
from ratoon.domain.window import Window
from ratoon.events import SqliteEventLog
from ratoon.index import FaissIndexes
from ratoon.ports import Files, Index
from ratoon.registry import FileRegistry
from ratoon.towers import NumpyTowers, open_own

FORMAT = 1
SEAL = "world.json"
SURFACE = "default"
CONFIG = '# Made by `ratoon bench serve`.\n[paths]\nhome = "."\n[serving]\nlog_level = "warning"\n'

Tell = Callable[[str, float], None]
"""Hears what is being done, and the share of it that is done."""


@dataclass(frozen=True, slots=True)
class World:
    """A home and what it is made of.

    Attributes:
        home: the folder that RATOON_HOME names.
        items, users: how many; ids are `i0` and `u0` onwards.
    """

    home: Path
    items: int
    users: int

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells a process to serve this home."""
        return {"RATOON_HOME": str(self.home), "RATOON_CONFIG": str(self.home / "ratoon.toml")}

    def registry(self) -> FileRegistry:
        """Its releases."""
        return FileRegistry(self.home / "releases", SURFACE, present=lambda: datetime.now(UTC))

    def log(self) -> SqliteEventLog:
        """Its events."""
        return SqliteEventLog(self.home / "events.sqlite", "wall", lambda: datetime.now(UTC))

    def files(self, number: int) -> Files:
        """An edition's files, whole."""
        registry = self.registry()
        return {**registry.load(registry.get(None)), **editions.kept(self.home / "editions", number)}

    def publish(self, number: int) -> Release:
        """Make an edition the current release, whatever is current now."""
        registry = self.registry()
        return editions.publish(registry, self.files(number), registry.get(None).window)

    def opened(self, number: int) -> tuple[NumpyTowers, Index]:
        """An edition's towers and index."""
        files = self.files(number)
        return open_own(files), FaissIndexes(editions.POLICY).load(files)

    def copy(self, home: Path) -> "World":
        """The same in another folder: what is posted and published there stays there."""
        shutil.copytree(self.home / "releases", home / "releases", copy_function=os.link)
        shutil.copytree(self.home / "editions", home / "editions", copy_function=os.link)
        (home / "features").mkdir()
        for name in ("events.sqlite", "features/online.db", "ratoon.toml"):
            shutil.copy(self.home / name, home / name)
        inputs.apply(home / "features")
        return World(home, self.items, self.users)


def open_world(home: Path, items: int, tell: Tell, users: int = 0) -> World:
    """The world of so many items in a folder, made if it is not there.

    Args:
        users: a tenth of the items, 20,000 at least, if not said.
    """
    world = World(home, items, users or max(20_000, items // 10))
    said, seal = {"format": FORMAT, "items": world.items, "users": world.users}, home / SEAL
    if seal.exists() and json.loads(seal.read_text()) == said:
        return world
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    _make(world, tell)
    durable.write(seal, json.dumps(said).encode())
    return world


def _make(world: World, tell: Tell) -> None:
    crowd, features = Crowd(world.items, world.users), world.home / "features"
    (world.home / "ratoon.toml").write_text(CONFIG)
    tell("items", 0.0)
    vectors, tastes = crowd.vectors(), crowd.tastes()
    index = editions.settled(editions.filled(crowd, vectors), tastes)
    tell("what users have had", 0.2)
    seen = history.seen_by(editions.nearest(index, tastes), world.items)
    users, items = history.in_order(seen)
    made = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    moments = history.times(len(users), made)
    tell("events", 0.4)
    log = world.log()
    log.load(history.events(users, items, moments))
    end = log.end()
    log.close()
    tell("online features", 0.6)
    inputs.apply(features)
    last = np.empty(world.users, np.int64)
    last[users] = moments
    inputs.fill(features, tastes, seen, last, end)
    tell("releases", 0.7)
    known = history.traits_of(items, world.items)
    editions.set_all(index, vectors, known)
    first = editions.edition(index, crowd, 0, known, tastes)
    for number in range(1, len(editions.SHARES)):
        editions.keep(world.home / "editions", number, editions.edition(index, crowd, number, known, tastes))
        tell("releases", 0.7 + 0.1 * number)
    editions.keep(world.home / "editions", 0, first)
    editions.publish(world.registry(), {**model.item_files(vectors), **first}, Window(0, end, made))
