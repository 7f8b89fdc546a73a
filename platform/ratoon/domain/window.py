"""Which part of the world a refresh looks at: a vector of positions, pinned before work starts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

Ranges = tuple[tuple[int, int], ...]
"""Ranges of offsets, both ends included."""

FOREVER = 2**63 - 1
"""An offset that no event reaches."""


@dataclass(frozen=True, slots=True)
class Window:
    """Everything that arrived after `start` up to and including `end`.

    Attributes:
        start, end: log offsets; `start` is exclusive, so windows chain without a gap or an overlap.
        as_of: the arrival time of the event at `end`; features are valued as of then.
        cursors: per feature view that others write, the files that had arrived: name -> SHA-256 of the bytes. Windows of
            older releases have sizes there, which as text are the content of no file, so that everything counts as changed.
        left_out: ranges of offsets (first, last) that must not be learnt from.
    """

    start: int
    end: int
    as_of: datetime
    cursors: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    left_out: Ranges = ()

    def learnt(self, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of the events at these offsets may be trained on or judged by; shape as given."""
        kept = np.ones(offsets.shape, np.bool_)
        for first, last in self.left_out:
            kept &= (offsets < first) | (offsets > last)
        return kept

    def unfollowed(self, left_out: Ranges, held: str) -> Ranges:
        """What a server must not take for popular beside what the window leaves out.

        While refreshing is on hold nobody knows how much of what came since is poison, so all of it.

        Args:
            left_out: what must not be learnt any more.
            held: why refreshing is on hold; empty if it is not.
        """
        return (*left_out, (self.end + 1, FOREVER)) if held else left_out

    def to_json(self) -> str:
        """The window as JSON, keys sorted."""
        return json.dumps(
            {
                "start": self.start,
                "end": self.end,
                "as_of": self.as_of.isoformat(),
                "cursors": {view: dict(files) for view, files in self.cursors.items()},
                "left_out": [list(pair) for pair in self.left_out],
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> "Window":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        return cls(
            start=raw["start"],
            end=raw["end"],
            as_of=datetime.fromisoformat(raw["as_of"]),
            cursors={view: {name: str(seen) for name, seen in files.items()} for view, files in raw["cursors"].items()},
            left_out=tuple((first, last) for first, last in raw["left_out"]),
        )
