"""A shop that learns from what it shows itself, in a world whose truth is known: where ignoring propensities misleads.

Users have the tastes of `ratoon.data`'s worlds. The shop ranks, for each taste, by the clicks that what it showed has earned, so
that what it showed first is what it knows; the last position is explored. Some users click on nearly anything, and they are
those whom the other policy would show the same as the shop: where the two agree, much is clicked, whatever is shown.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from ratoon.data.world import draw_world
from ratoon.domain.exploration import Exploration, explored, rng_of
from ratoon.domain.offpolicy import Decisions, Estimator, Valued, valued
from ratoon.domain.rewards import cross_fitted

Floats = npt.NDArray[np.float64]

ITEMS, USERS, K, ROUNDS = 24, 300, 3, 12_000
EXPLORATION = Exploration(slots=1, epsilon=0.3, pool=5)
HONEST: tuple[Estimator, ...] = ("ips", "snips", "dr")


@dataclass(frozen=True)
class Logged:
    """What the shop logged, and what it could not see: the chance that the other policy's choice is clicked."""

    worth: Valued
    truth: float
    clicks: float


def run(seed: int) -> Logged:
    """Serve, click and learn for ROUNDS answers; then ask the log for the worth of answering the slot by an item's pull."""
    rng = np.random.default_rng(seed)
    world = draw_world(USERS, ITEMS, rng)
    loyal = rng.random(USERS) < 0.5
    earned, shown = np.ones((2, ITEMS)), np.full((2, ITEMS), 4.0)
    fame = world.item_pull / world.item_pull.max()
    columns: dict[str, list[float]] = {name: [] for name in ("reward", "propensity", "target", "truth")}
    users, shown_features, target_features = [], [], []
    for number in range(ROUNDS):
        user = int(rng.integers(USERS))
        taste, group = world.user_taste[user, 0], int(loyal[user])
        chance = np.where(world.item_cluster == taste, 0.12, 0.04) + (0.4 if loyal[user] else 0.0)
        learnt = fame if loyal[user] else earned[group] / shown[group] - 0.2 * fame
        ranked = np.argsort(-learnt, kind="stable")
        slate = explored(ITEMS, K, EXPLORATION, rng_of(f"{seed}-{number}", "loop"))
        item = int(ranked[slate.places[-1]])
        choices = ranked[list(slate.choices)]
        picked = int(choices[np.argmax(fame[choices])])
        click = float(rng.random() < chance[item])
        earned[group, item] += click
        shown[group, item] += 1
        users.append(f"u{user}")
        told = (click, slate.propensities[-1], float(item == picked), chance[picked])
        for name, value in zip(columns, told, strict=True):
            columns[name].append(value)
        shown_features.append(_features(item, group, fame))
        target_features.append(_features(picked, group, fame))
    reward, propensity, target, truth = (np.array(column) for column in columns.values())
    flat = np.ones(ROUNDS)
    predicted = cross_fitted(users, np.stack(shown_features), np.stack(target_features), reward, flat, rng)
    decisions = Decisions(users, reward, propensity, target, 0 * flat, flat)
    return Logged(valued(decisions, predicted, draws=300, rng=rng), float(truth.mean()), float(reward.mean()))


def _features(item: int, group: int, fame: Floats) -> Floats:
    return np.array([group, fame[item], group * fame[item]], np.float64)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_ignoring_propensities_misleads(seed: int) -> None:
    """The naive interval lies far from what the other policy is worth; those of IPS, SNIPS and DR hold it."""
    found = run(seed)
    naive = found.worth.by("naive")
    assert naive.low is not None
    assert naive.low > found.truth + 0.05
    for name in HONEST:
        one = found.worth.by(name)
        assert one.low is not None
        assert one.high is not None
        assert one.low <= found.truth <= one.high, name
    assert found.worth.warnings == ()
