"""Whether a candidate may replace what is served. Pure: answers go in, a verdict comes out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ratoon.domain.drift import Drift, DriftPolicy
from ratoon.domain.intervals import clustered
from ratoon.domain.quality import HEAD, Answers, Breadth, effective

LEVEL = 0.95
"""Of the intervals: of equally good models one in forty seems worse for certain on a slice, and few of those by much."""


FEWEST = 10
"""With fewer rows, that none of them is hit any more says nothing."""

WHERE = {
    "old": "held-out rows from all over the past",
    "taste": "past held-out rows, answered by the towers alone,",
    "weights": "past held-out rows, with what popularity was worth to each release,",
}
"""How reasons call slices."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Recall@k of parent and candidate on the same rows, and the interval of their difference.

    Attributes:
        low, high: the 95 % bootstrap interval of candidate - parent, users resampled with all their rows, see `clustered`.
    """

    rows: int
    parent: float
    candidate: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        """Candidate minus parent."""
        return self.candidate - self.parent


@dataclass(frozen=True, slots=True)
class Pace:
    """Microseconds of CPU that a user tower takes for one user, in the same process within the same second."""

    parent: float
    candidate: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Publish or refuse, with every reason and the figures behind them.

    Attributes:
        skew: share of the moved items -> recall on new rows of the candidate's user tower where so many of them still have
            the parent's vectors, as while a release spreads; empty where the two spaces cannot be mixed.
        breadth: parent's and candidate's, on the window's rows; None without a parent or without rows.
        pace: None without a parent or without rows.
        rivals: what a candidate that was made of several had to beat for certain, by name; empty for others.
    """

    publish: bool
    reasons: tuple[str, ...]
    slices: Mapping[str, Comparison]
    index_recall: float
    skew: Mapping[str, Comparison] = field(default_factory=dict)
    breadth: tuple[Breadth, Breadth] | None = None
    pace: Pace | None = None
    rivals: Mapping[str, Comparison] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """What the gate asks for.

    Attributes:
        k: the depth at which recall is measured.
        tolerance: the relative loss that is let pass, however certain: fewer refusals of equal models are worth that much.
        taste: the relative loss that is let pass where the towers answer alone, without what is popular. Good refreshes of
            MovieTweetings-100k and MovieLens-100K lost up to 0.04 of it at once, 4,000 random interactions 0.09, a user tower
            that was thrown away nearly all.
        weights: the same where new weights of popularity are set beside the old ones.
        old: the relative loss that is let pass on rows from all over the past: forgetting. Good refreshes of
            MovieTweetings-100k lost up to 0.08 of it at once.
        index_recall: the least share of the exact top k that the index must return.
        variety: the least share that must be left of how many items the parent's answers are spread over.
        reach: the least share that must be left of how many items the parent's answers reach at all.
        head: by how much the share of offers that the most offered items take may rise.
        latency: how many times the parent's CPU time per user the candidate's user tower may take.
        skew: the relative loss that is let pass while parts of parent and candidate are mixed.
        win: by more than this a candidate that stands beside a release that could go on has to be better; -1 for any.
        draws: bootstrap resamples.
        drift: how far a window's inputs may be from what the current release learnt.
    """

    k: int = 50
    tolerance: float = 0.05
    taste: float = 0.07
    weights: float = 0.15
    old: float = 0.15
    index_recall: float = 0.95
    variety: float = 0.5
    reach: float = 0.5
    head: float = 0.2
    latency: float = 2.0
    skew: float = 0.2
    win: float = 0.0
    draws: int = 1000
    drift: DriftPolicy = field(default_factory=DriftPolicy)


def compare(parent: Answers, candidate: Answers, *, draws: int, rng: np.random.Generator) -> Comparison:
    """Recall of both on the same rows with a paired bootstrap interval of the difference."""
    if not len(parent):
        return Comparison(0, 0.0, 0.0, 0.0, 0.0)
    found = clustered(parent.users, candidate.hits, parent.hits, draws=draws, rng=rng, level=LEVEL, weights=parent.weights)
    return Comparison(len(parent), parent.mean(parent.hits), candidate.mean(candidate.hits), found.low, found.high)


def judge(
    slices: Mapping[str, tuple[Answers, Answers]],
    *,
    index_recall: float,
    policy: GatePolicy,
    rng: np.random.Generator,
    drifts: Iterable[Drift] = (),
    skew: Mapping[str, tuple[Answers, Answers]] | None = None,
    must_win: bool = False,
    breadth: tuple[Breadth, Breadth] | None = None,
    pace: Pace | None = None,
    rivals: Mapping[str, tuple[Answers, Answers]] | None = None,
) -> Verdict:
    """Refuse a candidate whose loss against its parent is beyond both chance and tolerance on any slice of the gate rows.

    A model that follows a new fashion forgets some of the old one: where it is certainly better on another slice, only a loss
    that is certainly beyond the tolerance counts.

    Args:
        slices: name -> (parent's answers, candidate's answers) to the same rows: the new window's rows, and rows from before
            it, so that a poisoned window cannot vouch for itself; those also by the towers alone, under the name `taste`, so
            that what is popular cannot vouch for them, and under `weights` with what it is worth to each of the two; under
            `old` rows from all over the past.
        index_recall: share of the exact top k that the candidate's index returns.
        drifts: of the window's inputs, against what the current release learnt: what differs too much is not taken for
            a new fashion, however well the candidate does on rows of that same window.
        must_win: refuse also what is not better, by `win`, on the first slice that has rows.
        breadth, pace: see `Verdict`.
        rivals: name -> (its answers, candidate's answers) to the same rows: what the candidate is worth nothing beside unless it
            is better beyond chance, as what is made of several sources is beside each of them.
        skew: share of vectors that are still the parent's -> (parent's answers, those of the candidate's user tower over both).
    """
    compared = {name: compare(*pair, draws=policy.draws, rng=rng) for name, pair in slices.items()}
    mixed = {share: compare(*pair, draws=policy.draws, rng=rng) for share, pair in (skew or {}).items()}
    beside = {name: compare(*pair, draws=policy.draws, rng=rng) for name, pair in (rivals or {}).items()}
    gained = any(result.low > 0 for result in compared.values())
    let_pass = {"taste": policy.taste, "weights": policy.weights, "old": policy.old}
    reasons = [
        _fell(WHERE.get(name, f"{name} held-out rows"), result, policy.k)
        for name, result in compared.items()
        if _worse(result, let_pass.get(name, policy.tolerance), gained)
    ]
    reasons += [
        _fell(f"new rows with {share} of the moved vectors not yet replaced", result, policy.k)
        for share, result in mixed.items()
        if result.high < -policy.skew * result.parent
    ]
    reasons += _narrowed(slices, policy.variety)
    reasons += _concentrated(*breadth, policy) if breadth else []
    reasons += _slower(pace, policy.latency) if pace else []
    first = next(((name, result) for name, result in compared.items() if result.rows), None)
    if must_win and first and first[1].difference <= policy.win:
        name, result = first
        figures = f"from {result.parent:.4f} to {result.candidate:.4f} on {name} held-out rows"
        reasons.append(
            f"recall@{policy.k} did not rise ({figures}), and beside a release that could go on a candidate has to win"
        )
    reasons += [_unbeaten(name, result, policy.k) for name, result in beside.items() if result.low <= 0]
    if index_recall < policy.index_recall:
        reasons.append(f"the index returns {index_recall:.4f} of the exact top {policy.k}, {policy.index_recall} is asked")
    reasons += [f"{drift}, {policy.drift.refuse:g} is let pass" for drift in policy.drift.beyond(policy.drift.refuse, drifts)]
    return Verdict(
        not reasons, tuple(reasons) or ("not worse on any slice",), compared, index_recall, mixed, breadth, pace, beside
    )


def _worse(result: Comparison, tolerance: float, gained: bool) -> bool:
    let_pass = -tolerance * result.parent
    worse = result.high < let_pass if gained else result.high < 0 and result.difference < let_pass
    return worse or (result.rows >= FEWEST and result.parent > 0 and result.candidate == 0)


def _fell(where: str, result: Comparison, k: int) -> str:
    return (
        f"recall@{k} on {where} fell from {result.parent:.4f} to {result.candidate:.4f} "
        f"(95 % interval of the difference {result.low:+.4f} to {result.high:+.4f}, {result.rows} rows)"
    )


def _unbeaten(name: str, result: Comparison, k: int) -> str:
    return (
        f"recall@{k} is not certainly above that of {name}: {result.candidate:.4f} instead of {result.parent:.4f} "
        f"(95 % interval of the difference {result.low:+.4f} to {result.high:+.4f}, {result.rows} rows)"
    )


def _narrowed(slices: Mapping[str, tuple[Answers, Answers]], least: float) -> list[str]:
    """A burst that pushes a few items into everybody's answers leaves room for few others."""
    reasons = []
    for name, pair in slices.items():
        before, after = (effective(answers.offers) for answers in pair)
        if after < least * before:
            figures = f"{after:.0f} items instead of {before:.0f}"
            reasons.append(f"answers to {name} held-out rows are spread over {figures}, {least:g} of that is asked")
    return reasons


def _concentrated(parent: Breadth, candidate: Breadth, policy: GatePolicy) -> list[str]:
    """The same burst where answers were spread over many items and still are, and each has the same few on top."""
    reasons, where = [], "answers to new held-out rows"
    if candidate.reach < policy.reach * parent.reach:
        figures = f"{candidate.reach:.1%} of the items instead of {parent.reach:.1%}"
        reasons.append(f"{where} reach {figures}, {policy.reach:g} of that is asked")
    if candidate.head > parent.head + policy.head:
        figures = f"{candidate.head:.1%} of them instead of {parent.head:.1%}"
        reasons.append(
            f"{where}: the {HEAD:.0%} of items that are most offered are {figures}, {policy.head:.0%} more is let pass"
        )
    return reasons


def _slower(pace: Pace, most: float) -> list[str]:
    if pace.candidate <= most * pace.parent:
        return []
    figures = f"{pace.candidate:.1f} us of CPU for a user instead of {pace.parent:.1f}"
    return [f"the user tower takes {figures}, {most:g} times that is let pass"]
