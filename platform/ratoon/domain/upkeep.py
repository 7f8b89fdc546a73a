"""What an operation made of a release: how small and quick it has become, what that costs in quality, and why this much."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ratoon.domain.gate import Comparison

DEPTHS = (10, 50)
"""How many candidates recall is told at."""

FILE = "upkeep.json"
"""The file of a release that says which operations it has gone through since it was last learnt from nothing."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a release takes.

    Attributes:
        disk: bytes of its files, each whole.
        memory: bytes of the towers' tensors as a server holds them, and of the index's snapshot, which it holds as it is.
        tower_us: microseconds of CPU for one user's vector.
        search_us: microseconds of CPU for one user's candidates.
    """

    disk: int
    memory: int
    tower_us: float
    search_us: float


@dataclass(frozen=True, slots=True)
class Point:
    """One step that was tried: a name for it, the bytes it leads to, of files or of what it makes smaller, and what fit rows say.

    Attributes:
        search_us: microseconds of CPU for one user's candidates, where that was measured.
        recall: of the candidate at the greater of DEPTHS, relative to the release it was made of.
    """

    name: str
    bytes: int
    recall: float
    chosen: bool = False
    search_us: float = 0.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """One operation.

    Attributes:
        settings: what it was asked for, by name.
        source: the id of the release it was made of.
        choice: what it did, in words.
        curve: what was tried, in order; chosen by fit rows.
        notes: what else it found, for people.
        before, after: what the release took, and what the candidate takes; None where nothing was judged.
        recall: depth -> slice -> the release it was made of against the candidate, on rows that neither has learnt.
    """

    operation: str
    settings: Mapping[str, str | int | float | bool | None]
    source: str
    choice: str
    curve: tuple[Point, ...] = ()
    notes: tuple[str, ...] = ()
    before: Figures | None = None
    after: Figures | None = None
    recall: Mapping[int, Mapping[str, Comparison]] = field(default_factory=dict)

    def timeless(self) -> "Upkeep":
        """The same without what a clock said: what is left is the same whenever the same work is done."""
        before, after = (replace(one, tower_us=0.0, search_us=0.0) if one else None for one in (self.before, self.after))
        curve = tuple(replace(point, search_us=0.0) for point in self.curve)
        return replace(self, before=before, after=after, curve=curve)
