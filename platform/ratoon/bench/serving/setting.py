"""What every group of the table is given."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ratoon.bench.serving.world import Tell, World

MANY: Final = 16
"""Connections unless a row says otherwise."""

REPEATS: Final = 3
SECONDS: Final = 5.0
"""What a point takes at full size; everything that has a length is in proportion."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A world to serve and how much of everything is done.

    Attributes:
        worlds: the folder with all worlds.
        seconds: of one measured point.
        venvs: a folder with a virtual environment for each peer, under its name; None if there is none.
        peers: items of the comparison with peers; 0 leaves it out.
    """

    world: World
    worlds: Path
    tell: Tell
    seconds: float = SECONDS
    venvs: Path | None = None
    peers: int = 0

    @property
    def share(self) -> float:
        """Of what is done at full size."""
        return min(1.0, self.seconds / SECONDS)

    @contextmanager
    def apart(self) -> Iterator["Setting"]:
        """The same on a copy of the world, so that what is posted and published stays out of the next group's."""
        with tempfile.TemporaryDirectory(prefix="ratoon-bench-", dir=self.worlds) as folder:
            yield replace(self, world=self.world.copy(Path(folder) / "home"))
