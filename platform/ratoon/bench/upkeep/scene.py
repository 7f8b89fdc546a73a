"""One release of one set and seed, and rows that came after it: what every operation is measured on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ratoon.bench.refreshes.home import Home, Tell
from ratoon.bench.refreshes.worlds import KINDS, Kind, open_world
from ratoon.domain.quality import Answers
from ratoon.judging import Pair, Questions, questions
from ratoon.judging.asking import placed
from ratoon.refresh import considered
from ratoon.upkeep.operation import lately_of
from ratoon.workshop import Task, Workshop, opened

ASKED = 3_000
"""Interactions after the release that are asked about, at most, evenly spread."""

SLICES = 8
"""Into how many slices what comes after the history is cut; the first is what is asked about."""

K = 50


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A release that has learnt the first 60 % of a set's events, and the next 5 %, which wait.

    Attributes:
        task: as an operation is given it.
        source: the release.
        asked: interactions among those that wait, of all users, as questions; nothing has learnt them.
    """

    name: str
    seed: int
    home: Home
    task: Task
    source: Pair
    asked: Questions

    @property
    def shop(self) -> Workshop:
        """The rooms."""
        return self.home.shop

    def answered(self, pair: Pair, k: int = K) -> Answers:
        """What a pair answers to the questions, as it would have been served at their moment."""
        live = lately_of(self.shop, self.task, self.asked)
        return placed(pair, self.asked, k, live)

    def recall(self, pair: Pair, k: int = K) -> float:
        """The share of the questions whose item is among the best k."""
        found = self.answered(pair, k)
        return found.mean(found.hits)


@contextmanager
def scene(scratch: Path, feature_repo: Path, folder: Path, name: str, seed: int, scale: float, tell: Tell) -> Iterator[Scene]:
    """The scene of a set that is kept in `folder` under its name, set up in `scratch`."""
    world = open_world(name, folder / name, scratch, scale, min(SLICES, KINDS.get(name, Kind()).most[0]))
    home = Home(scratch / "home", feature_repo, world, seed + 1, seed, lambda what, share: tell(f"{name}: {what}", share))
    home.append(0, world.bounds[0])
    home.bootstrap()
    home.append(world.bounds[0], world.bounds[1])
    release, _ = home.current("rows")
    task, _ = considered(home.shop, home.house.stopwatch(), "upkeep")
    task = replace(task, past=home.shop.features.past(task.window))
    every = questions(home.shop.log, task.delta.interactions, home.shop.labels)
    places = np.zeros(len(every), np.bool_)
    places[np.unique(np.linspace(0, len(every) - 1, min(ASKED, len(every))).astype(np.int64))] = True
    try:
        yield Scene(name, seed, home, task, opened(home.shop, release), every.where(places))
    finally:
        home.house.log.close()
