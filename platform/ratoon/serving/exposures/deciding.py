"""Explored positions as decisions: what could be shown there, how likely each was, and what a target would show.

The target answers the slots from the top: each with the best, by its own scores, of the candidate ranked there and of those of
the pool that it has not used. So it never shows what the log could not have shown, and all else of the answer stays as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.domain.labels import Types
from ratoon.domain.offpolicy import Decisions
from ratoon.domain.rewards import Predicted, cross_fitted
from ratoon.serving.exposures.exposure import Kept
from ratoon.serving.exposures.joining import Followed

Floats = npt.NDArray[np.float64]

NOBODY = "\x00"
"""Before a request id, for a user that is not known: each such request is somebody's own."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A target's scores of one exposure's choices, or None for a target that draws as the log did; and how popular they were.

    Attributes:
        target, popularity: shape (choices,).
    """

    target: Floats | None
    popularity: Floats


def decided(
    exposures: Sequence[Kept], scored: Sequence[Scored], events: Followed, types: Types, rng: np.random.Generator
) -> tuple[Decisions, Predicted]:
    """The decisions in the slots of some explored exposures, and what a reward model expects of them.

    The reward is 1 where an interaction of one of the types followed on what was shown, else 0.

    Args:
        exposures: n, each with slots.
        scored: one for each.
        events: what followed.
        types: of interactions that are rewards; None for all.
        rng: deals users to the model's folds.
    """
    rewarded = {pair for pair, some in events.items() if types is None or any(event["type"] in types for event in some)}
    columns = _Columns()
    for exposure, scores in zip(exposures, scored, strict=True):
        _add(columns, exposure, scores, rewarded)
    users, weights = columns.users, np.array(columns.weights)
    rewards, shown, target = np.array(columns.rewards), np.stack(columns.shown), np.stack(columns.target)
    decisions = Decisions(
        users=users,
        rewards=rewards,
        propensities=np.array(columns.propensities),
        targets=np.array(columns.targets),
        unsupported=np.zeros(len(users)),  # a target is given no other choices than the log had
        weights=weights,
    )
    return decisions, cross_fitted(users, shown, target, rewards, weights, rng)


class _Columns:
    """Of the decisions, as they come."""

    def __init__(self) -> None:
        self.users: list[str] = []
        self.rewards: list[float] = []
        self.propensities: list[float] = []
        self.targets: list[float] = []
        self.weights: list[float] = []
        self.shown: list[Floats] = []
        self.target: list[Floats] = []


def _add(columns: _Columns, exposure: Kept, scored: Scored, rewarded: set[tuple[str, str]]) -> None:
    slots, free = exposure.slots, list(range(exposure.slots, len(exposure.choices)))
    chances = np.full(len(exposure.choices), exposure.epsilon / len(free))
    first = len(exposure.items) - slots
    features = _features(exposure, scored)
    for slot in range(slots):
        position = first + slot
        logging = np.zeros(len(chances))
        logging[slots:], logging[slot] = chances[slots:], 1 - exposure.epsilon
        showing = logging
        if scored.target is not None:
            best = max([slot, *free], key=scored.target.__getitem__)  # of equals the one ranked first
            showing = np.eye(len(chances))[best]
            free = [place for place in free if place != best]
        shown = exposure.choices.index(exposure.items[position])
        place = np.full((len(chances), 2), (float(position), 0.0))
        place[slot, 1] = 1.0
        known = np.concatenate([features, place], axis=1)
        columns.users.append(exposure.user_id if exposure.user_id is not None else NOBODY + exposure.request_id)
        columns.rewards.append(float((exposure.request_id, exposure.items[position]) in rewarded))
        columns.propensities.append(exposure.propensities[position])
        columns.targets.append(float(showing[shown]))
        columns.weights.append(1 / exposure.share)
        columns.shown.append(known[shown])
        columns.target.append(showing @ known)


def _features(exposure: Kept, scored: Scored) -> Floats:
    """What the reward model knows of each choice: scores of the log and of the target, and popularity; shape (choices, 3)."""
    target = np.zeros(len(exposure.choices)) if scored.target is None else scored.target
    return np.stack([_relative(np.array(exposure.choice_scores)), _relative(target), np.log1p(scored.popularity)], axis=1)


def _relative(scores: Floats) -> Floats:
    """Scores as standard deviations from their mean: those of two sources, or of two answers, have no common scale."""
    known = np.isfinite(scores)
    spread = float(scores[known].std()) if known.any() else 0.0
    moved = np.zeros(len(scores))
    if spread > 0:
        moved[known] = (scores[known] - scores[known].mean()) / spread
        moved[~known] = moved[known].min()
    return moved
