"""What is judged, and then published as it was judged."""

from dataclasses import dataclass, replace

import numpy as np

from ratoon.ports import Files, Index, ServedTowers


@dataclass(frozen=True, slots=True)
class Pair:
    """A user tower and the index it belongs to, with the files they are made of: what is judged is what is published.

    Attributes:
        upto: the offset that the index's traits are of.
    """

    model: Files
    towers: ServedTowers
    index: Index
    upto: int

    @property
    def disk(self) -> int:
        """The bytes of a release's files, each whole."""
        return sum(map(len, {**self.model, **self.index.snapshot()}.values()))

    def alone(self) -> "Pair":
        """The pair to whose users popularity is worth nothing: the towers alone."""
        return replace(self, towers=self.towers.weighed(np.zeros_like(self.towers.popularity)))
