"""The two exported towers of one release, in NumPy: what a server and an evaluation run without torch."""

from ratoon.towers.towers import NumpyTowers, open_own, open_towers

__all__ = ["NumpyTowers", "open_own", "open_towers"]
