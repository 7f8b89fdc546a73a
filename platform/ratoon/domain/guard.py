"""Whether a release that is everybody's does harm: what is seen of it beside what was seen of the releases before it.

The two are not asked at random but one after the other, so whatever else has changed meanwhile is taken for its doing.
That is why limits are wide, a release is watched for a while only, and failures that were there before count for nothing.
A trial compares at random; see `ratoon.domain.trial`.

How certain a figure is at any look: `ratoon.domain.sequential`.
"""

from dataclasses import dataclass
from math import exp, log

from ratoon.domain.sequential import Followed, Sample, reach, too_often

NONE, NOBODY = Sample(), Followed()

WATCHED = 4
"""Limits that a release is judged by at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a release must hold once it is everybody's.

    Attributes:
        span: seconds after its adoption for which it is watched.
        errors: share of its answers that may fail; above 0 and below 0.1.
        popular: by how much the share of users may rise who are shown what is popular, because no vector could be made of them.
        latency: how many times the time of the earlier releases' stages its own may take, by geometric means.
        loss: relative loss of interactions per answer that is let pass.
        wait: seconds after an answer for which an interaction may name it.
        alpha: probability that a release that holds them all is taken back.
        least: answers, and users, of either side before which nothing is concluded from a mean.
    """

    span: float
    errors: float = 0.01
    popular: float = 0.2
    latency: float = 3.0
    loss: float = 0.2
    wait: float = 600.0
    alpha: float = 0.001
    least: int = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one side.

    Attributes:
        answers, errors: how many it was asked for, and how many of these failed.
        popular: 1 for each user who was shown what is popular because no vector could be made, 0 for each other user.
        took: logarithms of the seconds of its stages.
        followed: what interactions named of the answers whose time to be named is over.
    """

    answers: int = 0
    errors: int = 0
    popular: Sample = NONE
    took: Sample = NONE
    followed: Followed = NOBODY


def broken(limits: Limits, before: Seen, now: Seen, judges: int = 1) -> tuple[str, ...]:
    """Which limits a release certainly does not hold, in words; none if it does, or nobody knows yet.

    Args:
        before: of the releases before it.
        judges: how many processes judge by figures of their own; one of them is enough, so they share alpha.
    """
    alpha = limits.alpha / WATCHED / judges
    return (
        *_failing(limits, before, now, alpha),
        *_unknowing(limits, before, now, alpha),
        *_slow(limits, before, now, alpha),
        *_unfollowed(limits, before, now, alpha),
    )


def _failing(limits: Limits, before: Seen, now: Seen, alpha: float) -> list[str]:
    fails, failed = (too_often(side.answers, side.errors, limits.errors, alpha) for side in (now, before))
    return [f"{now.errors} of {now.answers} answers failed; {limits.errors:.2%} may"] if fails and not failed else []


def _unknowing(limits: Limits, before: Seen, now: Seen, alpha: float) -> list[str]:
    if not _certainly(before.popular, now.popular, limits.popular, limits.least, alpha):
        return []
    figures = f"{now.popular.mean:.1%} of users are shown what is popular instead of {before.popular.mean:.1%}"
    return [f"{figures}; {limits.popular:.0%} more may be"]


def _slow(limits: Limits, before: Seen, now: Seen, alpha: float) -> list[str]:
    if not _certainly(before.took, now.took, log(limits.latency), limits.least, alpha):
        return []
    return [f"stages take {exp(now.took.mean - before.took.mean):.2f} times as long; {limits.latency:g} times may be"]


def _certainly(before: Sample, now: Sample, more: float, least: int, alpha: float) -> bool:
    """Whether a mean has certainly risen by more than is let pass."""
    if min(before.n, now.n) < least:
        return False
    return now.mean - before.mean - reach(before.variance + now.variance, least, alpha) > more


def _unfollowed(limits: Limits, before: Seen, now: Seen, alpha: float) -> list[str]:
    then, share = before.followed, 1 - limits.loss
    if min(then.users, now.followed.users) < limits.least:
        return []
    width = reach(now.followed.variance + share**2 * then.variance, limits.least, alpha)
    if now.followed.rate + width >= share * then.rate:
        return []
    figures = f"{now.followed.rate:.4f} interactions per answer against {then.rate:.4f}"
    return [f"{figures}; a loss of {limits.loss:.0%} may be"]
