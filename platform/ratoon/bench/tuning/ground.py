"""The past that settings are tried on: at each cut a first release learns what came before, and is asked of what came next.

The home's own log and features are read, by the windows that refreshes would have had; a candidate is a release that nobody
publishes, made by the flow that makes all others.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from ratoon import durable
from ratoon.bench.refreshes.asking import Asked, Opened, ranks
from ratoon.bench.refreshes.home import newcomers
from ratoon.config import Training
from ratoon.domain.errors import DataError
from ratoon.domain.window import Window
from ratoon.judging import questions, timeline
from ratoon.refresh import beginning, rehearsal
from ratoon.wiring import House
from ratoon.workshop import Task, Workshop

BEGIN = 0.6
"""The share of the log before the first cut."""

LEAST, FEWEST = 1_000, 50
"""Events before the first cut, with fewer of which a release is no model; questions of a slice."""

ASKED = 2_000
"""Questions of a slice at most, evenly spread."""

BEFORE = 1_000
"""Events up to a cut whose times tell when it was."""

Tell = Callable[[str], None]
"""Hears what is being done; what it raises ends that."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One cut.

    Attributes:
        cut, end: offsets: what is learnt ends at `cut`, what is asked about at `end`.
    """

    cut: int
    end: int


def _silent(_what: str) -> None:
    """Tell nobody."""


@dataclass
class Ground:
    """A surface's past up to an offset, in slices.

    Attributes:
        end: the offset that nothing is looked at beyond; not to be changed once it was asked for slices.
        count: how many slices; each has the same share of the log.
    """

    house: House
    surface: str
    end: int
    count: int
    tell: Tell = _silent
    _tasks: dict[Slice, Task] = field(default_factory=dict)
    _asked: dict[Slice, Asked] = field(default_factory=dict)

    @cached_property
    def shop(self) -> Workshop:
        """The rooms as they are set now."""
        return self.house.workshop(self.surface)

    @cached_property
    def slices(self) -> list[Slice]:
        """From the oldest on; DataError if there is too little past."""
        bounds = np.linspace(BEGIN * self.end, self.end, self.count + 1).astype(int).tolist()
        if bounds[0] < LEAST or bounds[1] - bounds[0] < FEWEST:
            raise DataError(
                "tune",
                expected=f"{LEAST:,} events before the first of {self.count} slices, and {FEWEST} in each",
                found=f"{bounds[0]:,} and {bounds[1] - bounds[0]:,}",
                fix="Wait for more, or ask for fewer slices.",
            )
        return [Slice(first, last) for first, last in pairwise(bounds)]

    @property
    def k(self) -> int:
        """The depth of recall: the gate's."""
        return self.shop.gate.k

    def users(self, one: Slice) -> list[str]:
        """Whose question each is."""
        found: list[str] = self._questions(one).users.column("user_id").to_pylist()
        return found

    def weights(self, one: Slice) -> list[float]:
        """What each question counts."""
        found: list[float] = self._questions(one).users.column("weight").to_pylist()
        return found

    def digest(self, one: Slice) -> str:
        """Names the questions of a slice: figures of others do not compare."""
        about = self._questions(one)
        return durable.sha256(repr((about.offsets, self.users(one), self.weights(one))).encode())[:12]

    def hits(self, training: Training, one: Slice) -> list[bool]:
        """Whether each question's item is among the best k of a release that was taught by these settings up to the cut."""
        asked, task = self._questions(one), self._task(one)
        with tempfile.TemporaryDirectory(prefix="ratoon-tune-") as scratch:
            shop = self._taught(training, Path(scratch))
            pair = rehearsal(shop, self.house.stopwatch(self.tell), task)
        opened = Opened(pair.model, pair.towers, pair.index, pair.upto)
        return [rank < self.k for rank in ranks(opened, asked, task.schema, self.k)]

    def _taught(self, training: Training, scratch: Path) -> Workshop:
        """The home's rooms with another trainer, which keeps what it keeps somewhere else."""
        settings = self.house.settings
        paths = settings.paths.model_copy(update={"home": scratch})
        other = House(settings.model_copy(update={"paths": paths, "training": training}))
        shop = other.workshop(self.surface, lambda what, _share: self.tell(what))
        other.log.close()
        return replace(shop, log=self.shop.log, features=self.shop.features, runs=tuple)

    def _task(self, one: Slice) -> Task:
        if one not in self._tasks:
            self.tell("what came before is joined")
            self._tasks[one] = beginning(self.shop, self.house.stopwatch(self.tell), self._window(0, one.cut))
        return self._tasks[one]

    def _questions(self, one: Slice) -> Asked:
        if one not in self._asked:
            self.tell("what came next is joined")
            shop, window = self.shop, self._window(one.cut, one.end)
            rows = shop.features.delta(window, window, ()).interactions
            right = questions(shop.log, rows, shop.labels)
            chosen = np.zeros(len(right), np.bool_)
            chosen[np.unique(np.linspace(0, len(right) - 1, min(ASKED, len(right))).astype(np.int64))] = True
            few = right.where(chosen)
            if len(few) < FEWEST:
                found = f"{len(few)} at offsets {one.cut + 1} to {one.end}"
                fix = "Wait for more, or ask for fewer slices."
                raise DataError("tune", expected=f"at least {FEWEST} interactions to ask about", found=found, fix=fix)
            late = newcomers(shop, rows, window, set(shop.log.catalogue(one.cut)))
            live = timeline(shop.log, window, one.cut + 1)
            self._asked[one] = Asked(few.rows, [set(hidden) for hidden in few.hidden], few.offsets, late, live)
        return self._asked[one]

    def _window(self, start: int, end: int) -> Window:
        """As a refresh would have had it: items are valued as of when the newest of its events happened."""
        times = self.shop.log.read(max(0, end - BEFORE), end).column("event_timestamp")
        now = self.shop.features.window(None)
        return replace(
            now, start=start, end=end, as_of=pc.max(times).as_py() or now.as_of, left_out=self.shop.registry.left_out()
        )
