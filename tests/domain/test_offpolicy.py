"""The value of a policy from another's log."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import DataError
from ratoon.domain.offpolicy import Decisions, Estimator, Valued, valued
from ratoon.domain.rewards import Predicted, cross_fitted


def decided(**columns: object) -> Decisions:
    given_ = {"users": ["a", "b"], "rewards": [1.0, 0.0], "propensities": [0.5, 0.25], "targets": [1.0, 0.5]}
    given_ |= {"unsupported": [0.0, 0.0], "weights": [1.0, 1.0]} | columns
    return Decisions(**{name: one if name == "users" else np.array(one) for name, one in given_.items()})  # type: ignore[arg-type]


def told(decisions: Decisions, shown: float = 0.0, target: float = 0.0, draws: int = 200) -> Valued:
    flat = np.ones(len(decisions.users))
    return valued(decisions, Predicted(shown * flat, target * flat), draws=draws, rng=np.random.default_rng(0))


def test_by_hand() -> None:
    """Two decisions, worked out on paper; the second stands for three."""
    found = told(decided(rewards=[1.0, 2.0], weights=[1.0, 3.0]), shown=0.5, target=0.25)
    values = {one.estimator: one.value for one in found.estimates}
    assert values["ips"] == pytest.approx((2 * 1 + 3 * 2 * 2) / 4)
    assert values["snips"] == pytest.approx((2 * 1 + 3 * 2 * 2) / (2 + 3 * 2))
    assert values["dr"] == pytest.approx((0.25 + 2 * 0.5 + 3 * (0.25 + 2 * 1.5)) / 4)
    assert values["naive"] == pytest.approx((1 + 3 * 0.5 * 2) / 2.5)
    assert values["logged"] == pytest.approx((1 + 3 * 2) / 4)
    assert (found.n, found.users, found.matched, found.rewarded, found.max_weight) == (2, 2, 2, 2, 2.0)
    assert found.effective == pytest.approx((2 + 6) ** 2 / (4 + 36))
    assert found.telling == pytest.approx((2 + 12) ** 2 / (4 + 144))


def test_the_same_seed_gives_the_same_bounds() -> None:
    """Intervals depend on the generator that is given and on nothing else."""
    assert told(decided()) == told(decided())


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.05, 1)), min_size=2, max_size=30), st.integers(0, 10))
def test_its_own_target(rows: list[tuple[float, float]], seed: int) -> None:
    """A target that shows just what was logged, with the same chances, is worth what was earned, by every honest estimator."""
    rewards, propensities = np.array(rows).T
    users = [f"u{number % 7}" for number in range(len(rows))]
    flat = np.ones(len(rows))
    same = Decisions(users, rewards, propensities, propensities, 0 * flat, flat)
    rng = np.random.default_rng(seed)
    any_model = rng.normal(size=len(rows))
    found = valued(same, Predicted(any_model, any_model), draws=10, rng=rng)
    names: tuple[Estimator, ...] = ("ips", "snips", "dr", "logged")
    assert [found.by(name).value for name in names] == [pytest.approx(rewards.mean(), abs=1e-9)] * 4
    assert found.effective == pytest.approx(len(rows))


def world(seed: int, users: int = 300, each: int = 4) -> tuple[Decisions, Predicted, float]:
    """Users of two sorts; three actions; a logger that mostly agrees with the target for one sort; and the target's worth."""
    rng = np.random.default_rng(seed)
    sort = rng.integers(0, 2, users).repeat(each)
    chance = np.array([[0.5, 0.3, 0.4], [0.1, 0.2, 0.05]])
    logging = np.array([[0.8, 0.1, 0.1], [0.8, 0.1, 0.1]])
    picks = np.array([0, 1])[sort]  # the target's action: the logger's favourite for the first sort alone
    action = (rng.random(len(sort))[:, None] > logging[sort].cumsum(1)).sum(1)
    luck = np.clip(rng.normal(0, 0.05, users), -0.05, 0.05).repeat(each)
    rewards = (rng.random(len(sort)) < chance[sort, action] + luck).astype(np.float64)
    features = np.eye(6)
    shown, target = features[3 * sort + action], features[3 * sort + picks]
    names = [f"u{number}" for number in np.arange(users).repeat(each)]
    flat = np.ones(len(sort))
    decisions = Decisions(names, rewards, logging[sort, action], (action == picks).astype(np.float64), 0 * flat, flat)
    return decisions, cross_fitted(names, shown, target, rewards, flat, rng), 0.5 * 0.5 + 0.5 * 0.2


def test_intervals_hold_the_truth() -> None:
    """In 60 worlds the 95 % intervals of IPS, SNIPS and DR hold the target's worth about that often, the naive one never."""
    names: tuple[Estimator, ...] = ("ips", "snips", "dr", "naive")
    held, widths = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    for seed in range(60):
        decisions, predicted, truth = world(seed)
        found = valued(decisions, predicted, draws=300, rng=np.random.default_rng(seed))
        for name in names:
            one = found.by(name)
            assert one.low is not None
            assert one.high is not None
            held[name] += one.low <= truth <= one.high
            widths[name] += one.high - one.low
        assert found.warnings == ()
    assert all(held[name] >= 52 for name in ("ips", "snips", "dr"))
    assert held["naive"] == 0
    assert widths["dr"] < widths["snips"] < widths["ips"]


def test_users_are_drawn_whole() -> None:
    """What is said ten times by each user makes no interval narrower."""
    decisions, predicted, _ = world(1, users=80, each=1)
    many = decided(**{name: np.repeat(np.asarray(getattr(decisions, name)), 10) for name in Decisions.__slots__})
    once = valued(decisions, predicted, draws=400, rng=np.random.default_rng(0)).by("ips")
    tenfold = valued(
        many, Predicted(predicted.shown.repeat(10), predicted.target.repeat(10)), draws=400, rng=np.random.default_rng(0)
    ).by("ips")
    assert tenfold.low == pytest.approx(once.low)
    assert tenfold.high == pytest.approx(once.high)


def test_what_cannot_be_believed_is_said() -> None:
    """Little that matches, few rewards, one user, and what could never be shown: each is a sentence."""
    found = told(decided(users=["a", "a"], unsupported=[0.5, 0.0]))
    assert found.unsupported == 0.25
    assert found.warnings == (
        "25.0% of what the target shows was never shown with any chance: IPS and DR are off by it",
        "the rewarded decisions that match count as 1: the intervals are too narrow",
        "the matching decisions count as 2: the intervals are rough",
        "all decisions are one user's: the intervals say nothing",
    )


def test_a_target_that_never_agrees() -> None:
    """Where nothing matches, SNIPS and the naive estimate have no value and no bounds, and IPS says 0 with a warning."""
    found = told(decided(targets=[0.0, 0.0]))
    assert [(one.value, one.low, one.high) for one in found.estimates if one.estimator in ("snips", "naive")] == [(None,) * 3] * 2
    assert (found.by("ips").value, found.effective, found.matched) == (0.0, 0.0, 0)
    assert len(found.warnings) == 2


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"propensities": [0.5, 0.0]}, "decisions.propensities: expected 2.22507e-308 to 1, found 0.0"),
        ({"propensities": [0.5, 1.5]}, "decisions.propensities: expected 2.22507e-308 to 1, found 1.5"),
        ({"targets": [1.0, -0.5]}, "decisions.targets: expected 0 to 1, found -0.5"),
        ({"rewards": [1.0, math.nan]}, "decisions.rewards: .*found nan"),
        ({"weights": [1.0, math.inf]}, "decisions.weights: .*found inf"),
        ({"unsupported": [2.0, 0.0]}, "decisions.unsupported: expected 0 to 1, found 2.0"),
        ({"rewards": [1.0]}, r"decisions: expected columns of one length, 1 or more, found \[1, 2\]"),
        (dict.fromkeys(Decisions.__slots__, ()), r"decisions: expected columns of one length, 1 or more, found \[0\]"),
    ],
)
def test_what_is_no_log(columns: dict[str, object], said: str) -> None:
    """Columns of different lengths, none at all, and numbers out of range are refused by name."""
    with pytest.raises(DataError, match=said):
        decided(**columns)
