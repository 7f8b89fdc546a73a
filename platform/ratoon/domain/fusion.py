"""Several sources of candidates as one inner product: each is a block of every vector, weighed on the users' side.

    score = w1(s) u1 . v1 + w2(s) u2 . v2 + ... + what the traits of popularity are worth

where s is the segment of users that somebody is in, by how long their history is. Items' vectors do not depend on the weights,
so that one index, its filters and what changes in it serve all segments, and an item that a source does not know has zeros there.
"""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors

PREFIX = "fused."
"""What the names of all files begin with that say what stands beside a release's own towers."""

FILE = f"{PREFIX}sources.json"
"""The file of a release that holds its `Fusion`; one without it has one source."""

TOWER, COVISIT, TEXT = "tower", "covisit", "text"
"""The release's own towers; what is had together; what texts say. Any other name is of towers that were taught beside its own."""

EDGES = (1, 5, 20)
"""The lengths of history at which segments begin: nobody known yet, few items, some, and many."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How much each source weighs for whom.

    Attributes:
        history: the user feature whose length tells segments apart; empty where there is none, and all are in the first one.
        edges: from which length on a user is in the next segment; ascending.
        weights: source -> its weight in each segment, in the order of the blocks; `len(edges) + 1` each.
    """

    history: str
    edges: tuple[int, ...]
    weights: Mapping[str, tuple[float, ...]]

    def segments(self, lengths: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
        """The segment of each of some users, by how long their histories are; shape (n,)."""
        return np.searchsorted(np.array(self.edges, np.int64), np.asarray(lengths, np.int64), side="right")

    def segment(self, length: int) -> int:
        """The same of one user."""
        return bisect_right(self.edges, length)

    def weighing(self, source: str) -> Vectors:
        """A source's weights, by segment; shape (segments,)."""
        return np.array(self.weights[source], np.float32)

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps({"history": self.history, "edges": self.edges, "weights": dict(self.weights)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Fusion":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        weights = {name: tuple(map(float, row)) for name, row in raw["weights"].items()}
        return cls(raw["history"], tuple(raw["edges"]), weights)


def beside(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of a release's files those that say what stands beside its own towers."""
    return {name: data for name, data in files.items() if name.startswith(PREFIX)}


def named(source: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of one source, as they are called in a release."""
    return {f"{PREFIX}{source}.{name}": data for name, data in files.items()}


def of(source: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The inverse of `named`: one source's files among a release's."""
    start = f"{PREFIX}{source}."
    return {name.removeprefix(start): data for name, data in files.items() if name.startswith(start)}
