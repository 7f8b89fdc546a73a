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
    """A difference and its two-sided 95 % bounds.

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


def clustered(users: Sequence[str], ours: Values, theirs: Values, *, draws: int, rng: np.random.Generator) -> Interval:
    """The paired difference of the means of `ours` and `theirs`, users resampled with replacement.

    Args:
        users: whose question each row is; n of them, at least 1.
        ours, theirs: what each policy scored on each question (a hit as 0 or 1, or its mean over seeds); shape (n,).
    """
    _, place = np.unique(np.asarray(users), return_inverse=True)
    asked = np.bincount(place).astype(np.float64)
    gained, base = (np.bincount(place, weights=values) for values in (ours - theirs, theirs))
    absolute, relative = [], []
    for first in range(0, draws, CHUNK):
        times = rng.multinomial(len(asked), np.full(len(asked), 1 / len(asked)), size=min(CHUNK, draws - first))
        difference, beside = (np.asarray(times @ values, np.float64) for values in (gained, base))
        absolute.append(difference / (times @ asked))
        relative.append(_share(difference, beside))
    low, high = np.quantile(np.concatenate(absolute), [0.025, 0.975])
    relative_low, relative_high = np.quantile(np.concatenate(relative), [0.025, 0.975])
    mean = float((ours - theirs).mean())
    share = float(_share(np.array([gained.sum()]), np.array([base.sum()]))[0])
    return Interval(mean, float(low), float(high), share, float(relative_low), float(relative_high))


def _share(difference: Values, base: Values) -> Values:
    return np.divide(difference, base, out=np.zeros_like(difference), where=base > 0)
