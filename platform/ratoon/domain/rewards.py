"""A reward model for doubly robust estimates: ridge regression on what is known of a candidate, cross-fitted by user.

Each decision is predicted by a model that has seen no decision of its user (Chernozhukov et al. 2018, Econometrics Journal
21:1, C1-C68), so what a model learnt by heart cannot pass as knowledge. The model is linear: what it expects of a policy that
draws is what it expects of the mean of the features under that policy. A reward of 0 or 1 is predicted as a number, which may
leave that range: the estimator stays unbiased with any model, and gains little from a finer one while rewards are rare.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FOLDS = 5

PENALTY = 10.0
"""Of the squared coefficients of standardised features, in decisions."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """Expected rewards: of what was shown, and of what the target shows; shape (n,) each."""

    shown: Floats
    target: Floats


def cross_fitted(
    users: Sequence[str], shown: Floats, target: Floats, rewards: Floats, weights: Floats, rng: np.random.Generator
) -> Predicted:
    """Predict each decision's rewards from the decisions of the users in other folds.

    With fewer users than two there are no others, and 0 is predicted: doubly robust is IPS then.

    Args:
        users: whose each of n decisions was.
        shown: features of what was shown; shape (n, d).
        target: the same features of what the target shows, the mean of them where it draws; shape (n, d).
        rewards, weights: shape (n,).
        rng: deals users to folds.
    """
    names, place = np.unique(np.asarray(users), return_inverse=True)
    fold = (rng.permutation(len(names)) % FOLDS)[place]
    predicted = Predicted(np.zeros(len(rewards)), np.zeros(len(rewards)))
    for number in range(FOLDS):
        mine, others = fold == number, fold != number
        if mine.any() and others.any():
            model = _ridge(shown[others], rewards[others], weights[others])
            predicted.shown[mine] = model.of(shown[mine])
            predicted.target[mine] = model.of(target[mine])
    return predicted


@dataclass(frozen=True, slots=True)
class _Linear:
    middle: Floats
    spread: Floats
    level: float
    slopes: Floats

    def of(self, features: Floats) -> Floats:
        return np.asarray(self.level + ((features - self.middle) / self.spread) @ self.slopes, np.float64)


def _ridge(features: Floats, rewards: Floats, weights: Floats) -> _Linear:
    """Weighted least squares with a penalty on all but the level (Hoerl and Kennard 1970, Technometrics 12:1, 55-67)."""
    weights = weights / weights.mean()
    middle = np.average(features, axis=0, weights=weights)
    spread = np.sqrt(np.average((features - middle) ** 2, axis=0, weights=weights))
    spread[spread < 1e-12] = 1.0  # a feature that never varies is zero throughout, whatever it is divided by
    level = float(np.average(rewards, weights=weights))
    scaled = (features - middle) / spread
    gram = scaled.T @ (scaled * weights[:, None]) + PENALTY * np.eye(features.shape[1])
    slopes = np.linalg.solve(gram, scaled.T @ (weights * (rewards - level)))
    return _Linear(middle, spread, level, np.asarray(slopes, np.float64))
