"""The interval of a difference between two policies that answered the same questions.

Questions of one user are not independent, so whole users are drawn, with all their questions: the pairs cluster bootstrap of
Cameron, Gelbach and Miller (2008, Review of Economics and Statistics 90:3, 414-427), with percentile bounds (Efron 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

CHUNK = 128
"""Resamples drawn at once: bounds memory at CHUNK * users * 8 bytes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A difference and its two-sided bounds.

    Attributes:
        mean, low, high: ours - theirs, in the questions' own unit.
        relative, relative_low, relative_high: the same as a share of theirs, which is resampled along; 0 where theirs is 0.
    """

    mean: float
    low: float
    high: float
    relative: float
    relative_low: float
    relative_high: float


def clustered(
    users: Sequence[str],
    ours: Values,
    theirs: Values,
    *,
    draws: int,
    rng: np.random.Generator,
    level: float = 0.95,
    weights: Values | None = None,
) -> Interval:
    """The paired difference of the means of `ours` and `theirs`, users resampled with replacement.

    Args:
        users: whose question each row is; n of them, at least 1.
        ours, theirs: what each policy scored on each question (a hit as 0 or 1, or its mean over seeds); shape (n,).
        level: the share of resamples between the bounds.
        weights: of each question in both means, above 0; shape (n,). None for equal ones.
    """
    weights = np.ones(len(ours)) if weights is None else weights
    _, place = np.unique(np.asarray(users), return_inverse=True)
    totals = np.stack([np.bincount(place, weights=column * weights) for column in (np.ones(len(ours)), ours - theirs, theirs)])
    # Users who add the same to every sum are exchangeable: drawing how many of each sort come is drawing the users.
    sorts, alike = np.unique(totals, axis=1, return_counts=True)
    absolute, relative = [], []
    for first in range(0, draws, CHUNK):
        times = rng.multinomial(len(totals[0]), alike / alike.sum(), size=min(CHUNK, draws - first))
        asked, difference, beside = (np.asarray(times @ sums, np.float64) for sums in sorts)
        absolute.append(difference / asked)
        relative.append(_share(difference, beside))
    bounds = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(np.concatenate(absolute), bounds)
    relative_low, relative_high = np.quantile(np.concatenate(relative), bounds)
    asked, gained, base = totals.sum(axis=1)
    share = float(_share(np.array([gained]), np.array([base]))[0])
    return Interval(float(gained / asked), float(low), float(high), share, float(relative_low), float(relative_high))


def _share(difference: Values, base: Values) -> Values:
    return np.divide(difference, base, out=np.zeros_like(difference), where=base > 0)
