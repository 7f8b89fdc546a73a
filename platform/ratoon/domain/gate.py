"""Whether a candidate may replace what is served. Pure: hits go in, a verdict comes out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ratoon.domain.drift import Drift, DriftPolicy

Hits = npt.NDArray[np.bool_]
"""For each judged interaction whether its item was among the k candidates; shape (n,)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Recall@k of parent and candidate on the same rows, and the interval of their difference.

    Attributes:
        low, high: the 99 % bootstrap interval (Efron 1979, percentile) of candidate - parent, rows resampled in pairs.
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
class Verdict:
    """Publish or refuse, with every reason and the figures behind them."""

    publish: bool
    reasons: tuple[str, ...]
    slices: Mapping[str, Comparison]
    index_recall: float


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """What the gate asks for.

    Attributes:
        k: the depth at which recall is measured.
        tolerance: the relative loss that is let pass, however certain: fewer refusals of equal models are worth that much.
        index_recall: the least share of the exact top k that the index must return.
        draws: bootstrap resamples.
        drift: how far a window's inputs may be from what the current release learnt.
    """

    k: int = 50
    tolerance: float = 0.05
    index_recall: float = 0.95
    draws: int = 1000
    drift: DriftPolicy = field(default_factory=DriftPolicy)


def compare(parent: Hits, candidate: Hits, *, draws: int, rng: np.random.Generator) -> Comparison:
    """Recall of both on the same rows with a paired bootstrap interval of the difference."""
    if not len(parent):
        return Comparison(0, 0.0, 0.0, 0.0, 0.0)
    difference = candidate.astype(np.float64) - parent.astype(np.float64)
    # Paired hits differ by -1, 0 or 1, so a resample's sum is a multinomial draw over those three counts.
    shares = np.array([(difference == value).mean() for value in (-1.0, 0.0, 1.0)])
    counts = rng.multinomial(len(difference), shares, size=draws)
    low, high = np.quantile((counts[:, 2] - counts[:, 0]) / len(difference), [0.005, 0.995])
    return Comparison(len(difference), float(parent.mean()), float(candidate.mean()), float(low), float(high))


def judge(
    slices: Mapping[str, tuple[Hits, Hits]],
    *,
    index_recall: float,
    policy: GatePolicy,
    rng: np.random.Generator,
    drifts: Iterable[Drift] = (),
) -> Verdict:
    """Refuse a candidate whose loss against its parent is beyond both chance and tolerance on any slice of the gate rows.

    A model that follows a new fashion forgets some of the old one: where it is certainly better on another slice, only a loss
    that is certainly beyond the tolerance counts.

    Args:
        slices: name -> (parent's hits, candidate's hits) on the same rows: the new window's rows, and rows from before
            it, so that a poisoned window cannot vouch for itself.
        index_recall: share of the exact top k that the candidate's index returns.
        drifts: of the window's inputs, against what the current release learnt: what differs too much is not taken for
            a new fashion, however well the candidate does on rows of that same window.
    """
    compared = {name: compare(*pair, draws=policy.draws, rng=rng) for name, pair in slices.items()}
    reasons, gained = [], any(result.low > 0 for result in compared.values())
    for name, result in compared.items():
        let_pass = -policy.tolerance * result.parent
        worse = result.high < let_pass if gained else result.high < 0 and result.difference < let_pass
        if worse or (result.parent > 0 and result.candidate == 0):
            reasons.append(
                f"recall@{policy.k} on {name} held-out rows fell from {result.parent:.4f} to {result.candidate:.4f} "
                f"(99 % interval of the difference {result.low:+.4f} to {result.high:+.4f}, {result.rows} rows)"
            )
    if index_recall < policy.index_recall:
        reasons.append(f"the index returns {index_recall:.4f} of the exact top {policy.k}, {policy.index_recall} is asked")
    reasons += [f"{drift}, {policy.drift.refuse:g} is let pass" for drift in policy.drift.beyond(policy.drift.refuse, drifts)]
    return Verdict(not reasons, tuple(reasons) or ("not worse on any slice",), compared, index_recall)
