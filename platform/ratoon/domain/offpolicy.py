"""What another policy would have earned, from what a policy with known propensities showed.

For n decisions with reward r, propensity p of what was shown, and the target's probability t of showing the same:

    IPS    mean of t/p * r                       unbiased             (Horvitz and Thompson 1952, JASA 47:260, 663-685)
    SNIPS  sum of t/p * r / sum of t/p           less variance        (Swaminathan and Joachims 2015, NIPS, 3231-3239)
    DR     mean of q(target) + t/p * (r - q)     less still, as far as a model q knows the rewards, and unbiased whatever it
                                                 says (Dudik, Langford and Li 2011, ICML; with Erhan 2014, Statistical Science
                                                 29:4, 485-511)
    naive  mean of r where t > 0, weighted by t  what comes of ignoring propensities: right only if p does not vary

Intervals: whole users are drawn with replacement, with all their decisions, and the bounds are percentiles (see
`ratoon.domain.intervals`). They hold what chance does, not what breaks the assumptions: a target that shows what the log never
could (`unsupported`), rewards that depend on what stands beside. A bootstrap of few rewarded decisions is too narrow, and a
warning says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ratoon.domain.errors import DataError
from ratoon.domain.rewards import Predicted

Floats = npt.NDArray[np.float64]

Estimator = Literal["ips", "snips", "dr", "naive", "logged"]

CHUNK = 1 << 22
"""Numbers drawn at once: bounds the memory of the bootstrap."""

FEW_REWARDED = 20
"""With effectively fewer rewarded decisions, percentiles of a bootstrap are too narrow to be believed."""

FEW_EFFECTIVE = 100
"""With effectively fewer decisions they are rough."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """n decisions of a policy whose propensities are known.

    Attributes:
        users: whose each was; those of one user may depend on each other.
        rewards: what came of each; finite, shape (n,).
        propensities: how likely what was shown was, above 0 and at most 1; shape (n,).
        targets: how likely the target is to show the same there, 0 to 1; shape (n,).
        unsupported: how likely the target is to show there what the log could not, 0 to 1; shape (n,).
        weights: how many decisions each stands for, above 0: one over the share that was sampled; shape (n,).

    Raises:
        DataError: there is none, the lengths differ, or a number is out of range.
    """

    users: Sequence[str]
    rewards: Floats
    propensities: Floats
    targets: Floats
    unsupported: Floats
    weights: Floats

    def __post_init__(self) -> None:
        """Refuse what no estimate can be made of."""
        columns = {name: getattr(self, name) for name in ("rewards", "propensities", "targets", "unsupported", "weights")}
        lengths = {len(self.users), *map(len, columns.values())}
        if lengths != {len(self.users)} or not len(self.users):
            raise DataError("decisions", expected="columns of one length, 1 or more", found=str(sorted(lengths)), fix="Give all.")
        ranges = {"propensities": (_TINY, 1.0), "targets": (0.0, 1.0), "unsupported": (0.0, 1.0), "weights": (_TINY, _LARGE)}
        for name, column in columns.items():
            low, high = ranges.get(name, (-_LARGE, _LARGE))
            if not np.all((column >= low) & (column <= high)):  # false for what is no number too
                wrong = column[~((column >= low) & (column <= high))][0]
                raise DataError(
                    f"decisions.{name}", expected=f"{low:g} to {high:g}", found=str(wrong), fix="Look at how they were logged."
                )


_TINY, _LARGE = float(np.finfo(np.float64).tiny), float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimator's value of a policy, per decision, with its two-sided bounds; None where it has none."""

    estimator: Estimator
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Valued:
    """What a policy is worth, by each estimator, and how far that can be believed.

    Attributes:
        n, users: decisions, and whose.
        effective: as many decisions of the target's own would tell as much: (sum w)^2 / sum w^2 of the weights t/p.
        matched: decisions in which the target might have shown the same.
        rewarded: those of them with a reward other than 0.
        telling: as many rewarded decisions of the target's own would tell as much, like `effective`.
        max_weight: the largest t/p.
        unsupported: the share of the target's decisions of which the log can say nothing.
        warnings: what makes the intervals too narrow or the values wrong, as sentences.
    """

    n: int
    users: int
    effective: float
    matched: int
    rewarded: int
    telling: float
    max_weight: float
    unsupported: float
    estimates: tuple[Estimate, ...]
    warnings: tuple[str, ...]

    def by(self, estimator: Estimator) -> Estimate:
        """One of the estimates."""
        return next(one for one in self.estimates if one.estimator == estimator)


def valued(decisions: Decisions, predicted: Predicted, *, draws: int, rng: np.random.Generator, level: float = 0.95) -> Valued:
    """Value a target policy.

    Args:
        predicted: what a model expects of what was shown and of what the target shows.
        draws: of the bootstrap, 1 or more.
        level: the share of draws between the bounds.
    """
    each, ratio = decisions.weights, decisions.targets / decisions.propensities
    rewards = decisions.rewards
    robust = predicted.target + ratio * (rewards - predicted.shown)
    sums: dict[Estimator, tuple[Floats, Floats]] = {
        "ips": (each * ratio * rewards, each),
        "snips": (each * ratio * rewards, each * ratio),
        "dr": (each * robust, each),
        "naive": (each * decisions.targets * rewards, each * decisions.targets),
        "logged": (each * rewards, each),
    }
    names, place = np.unique(np.asarray(decisions.users), return_inverse=True)
    columns = [np.bincount(place, weights=column, minlength=len(names)) for pair in sums.values() for column in pair]
    totals = np.stack(columns).astype(np.float64)
    bounds = _bounds(totals, draws, level, rng)
    estimates = tuple(
        Estimate(name, _quotient(*totals[2 * at : 2 * at + 2].sum(axis=1)), *bounds[at]) for at, name in enumerate(sums)
    )
    matched, weight = ratio > 0, each * ratio
    told = Valued(
        n=len(rewards),
        users=len(names),
        effective=_effective(weight),
        matched=int(matched.sum()),
        rewarded=int((matched & (rewards != 0)).sum()),
        telling=_effective(weight * rewards),
        max_weight=float(ratio.max()),
        unsupported=float((each * decisions.unsupported).sum() / each.sum()),
        estimates=estimates,
        warnings=(),
    )
    return _warned(told)


def _effective(parts: Floats) -> float:
    """How many equal parts vary as much as these (Kish 1965, Survey Sampling)."""
    squares = float((parts**2).sum())
    return float(parts.sum()) ** 2 / squares if squares else 0.0


def _quotient(above: float, below: float) -> float | None:
    return float(above / below) if below else None


def _bounds(totals: Floats, draws: int, level: float, rng: np.random.Generator) -> list[tuple[float | None, float | None]]:
    """Bounds of the quotient of each two rows of `totals` (2 * m, users), users resampled; None if no draw has one."""
    users, found = totals.shape[1], []
    size = max(1, CHUNK // users)
    even = np.full(users, 1 / users)
    for first in range(0, draws, size):
        times = rng.multinomial(users, even, size=min(size, draws - first)).astype(np.float64)
        drawn = times @ totals.T
        below = drawn[:, 1::2]
        found.append(np.divide(drawn[:, ::2], below, out=np.full_like(below, np.nan), where=below > 0))
    return [_between(column[~np.isnan(column)], level) for column in np.concatenate(found).T]


def _between(known: Floats, level: float) -> tuple[float | None, float | None]:
    if not len(known):
        return None, None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _warned(told: Valued) -> Valued:
    said = []
    if told.unsupported > 0:
        said.append(f"{told.unsupported:.1%} of what the target shows was never shown with any chance: IPS and DR are off by it")
    if told.telling < FEW_REWARDED:
        said.append(f"the rewarded decisions that match count as {told.telling:.0f}: the intervals are too narrow")
    if told.effective < FEW_EFFECTIVE:
        said.append(f"the matching decisions count as {told.effective:.0f}: the intervals are rough")
    if told.users == 1:
        said.append("all decisions are one user's: the intervals say nothing")
    return replace(told, warnings=tuple(said))
