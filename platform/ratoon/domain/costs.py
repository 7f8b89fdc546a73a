"""What work costs, by what it cost before. Pure: measured figures go in, an estimate comes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Costs:
    """What refreshes have cost a surface.

    Attributes:
        scopes: scope -> rows and CPU seconds of its newest runs; a scope that has not run is not there.
        spent: CPU seconds of all runs of the last day.
    """

    scopes: Mapping[str, Sequence[tuple[int, float]]]
    spent: float = 0.0

    def estimate(self, scope: str, rows: int) -> float | None:
        """CPU seconds of a refresh of so many rows; None for a scope that has not run."""
        return estimate(self.scopes.get(scope, ()), rows)


NONE = Costs({})
"""Where nothing was measured."""


def estimate(measured: Sequence[tuple[int, float]], rows: int) -> float | None:
    """Seconds for so many rows, by a straight line through what others took; their median where more rows took no longer.

    None without any.

    Args:
        measured: rows and seconds of each.
    """
    if not measured:
        return None
    sizes, seconds = (np.array(column, np.float64) for column in zip(*measured, strict=True))
    slope, base = np.polyfit(sizes, seconds, 1) if len(set(sizes)) > 1 else (0.0, 0.0)
    return float(max(0.0, base + slope * rows) if slope > 0 else np.median(seconds))
