"""How alike two answers to one question are."""

from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np

Found = Sequence[tuple[str, float]]


class Likeness(NamedTuple):
    """What one answer has of another.

    Attributes:
        overlap: share of the candidates of the longer one that are in both; 1 where both are empty.
        order: Spearman's rank correlation of those that are in both; None of fewer than two.
        missing: what the candidates that only the first has score there, of what all of its candidates score, each above the
            lowest; None where that is nothing.
    """

    overlap: float
    order: float | None
    missing: float | None


def likeness(shown: Found, other: Found) -> Likeness:
    """Compare what was shown with what another release would have shown."""
    places = {item: place for place, (item, _) in enumerate(other)}
    both = [place for item, _ in shown if (place := places.get(item)) is not None]
    longer = max(len(shown), len(other))
    return Likeness(len(both) / longer if longer else 1.0, _order(both), _missing(shown, places.keys()))


def _order(places: Sequence[int]) -> float | None:
    n = len(places)
    if n < 2:
        return None
    ranks = np.argsort(np.argsort(places))
    squares = float(((ranks - np.arange(n)) ** 2).sum())
    return 1 - 6 * squares / (n * (n * n - 1))


def _missing(shown: Found, held: Container[str]) -> float | None:
    least = min((score for _, score in shown), default=0.0)
    total = sum(score - least for _, score in shown)
    return sum(score - least for item, score in shown if item not in held) / total if total > 0 else None
