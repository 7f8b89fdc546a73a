"""The reward model."""

import numpy as np
import pytest

from ratoon.domain.rewards import cross_fitted


def test_it_finds_a_line() -> None:
    """Rewards that are a line in the features are predicted for other users and other features, also for means of them."""
    rng = np.random.default_rng(0)
    shown, target = rng.normal(size=(4_000, 3)), rng.normal(size=(4_000, 3))
    slopes = np.array([0.5, -1.0, 0.0])
    rewards = 0.3 + shown @ slopes
    users = [f"u{number % 400}" for number in range(4_000)]
    found = cross_fitted(users, shown, target, rewards, np.ones(4_000), rng)
    assert found.shown == pytest.approx(rewards, abs=0.02)
    assert found.target == pytest.approx(0.3 + target @ slopes, abs=0.02)


def test_nobody_is_predicted_from_themselves() -> None:
    """With a feature per user, whose rewards are their own, nothing is learnt that would tell them apart."""
    users = [f"u{number // 50}" for number in range(1_000)]
    own = np.eye(20)[np.arange(1_000) // 50]
    rewards = (np.arange(1_000) // 50 % 2).astype(np.float64)
    found = cross_fitted(users, own, own, rewards, np.ones(1_000), np.random.default_rng(1))
    assert np.corrcoef(found.shown, rewards)[0, 1] < 0


def test_one_user_has_no_others() -> None:
    """Of one user alone nothing can be predicted, and 0 is said."""
    found = cross_fitted(["u"] * 3, np.ones((3, 1)), np.ones((3, 1)), np.ones(3), np.ones(3), np.random.default_rng(0))
    assert found.shown.tolist() == found.target.tolist() == [0, 0, 0]


def test_weights_count() -> None:
    """A decision of weight w is learnt like w decisions, in level and in slope; a feature that never varies tells nothing."""
    users, rewards = [f"u{number}" for number in range(400)], np.tile([0.0, 1.0], 200)
    flat, weights = np.ones((400, 1)), np.tile([3.0, 1.0], 200)
    found = cross_fitted(users, flat, flat, rewards, weights, np.random.default_rng(0))
    assert found.shown == pytest.approx(0.25, abs=0.05)
    line = np.random.default_rng(1).normal(size=(400, 1))
    far = np.where(np.abs(line[:, 0]) > 1, 9.0, 1.0)
    found = cross_fitted(users, line, line + 1, line[:, 0], far, np.random.default_rng(0))
    assert found.target - found.shown == pytest.approx(1, abs=0.05)
    assert found.shown == pytest.approx(line[:, 0], abs=0.2)
