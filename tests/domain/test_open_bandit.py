"""The estimators on real clicks: the Open Bandit rows that the wheel of obp 0.4.1 ships.

Saito, Aihara, Matsutani and Narita 2021 (Open Bandit Dataset and Pipeline, NeurIPS Datasets and Benchmarks). Two policies
answered the same shop in the same week, at random and by Thompson sampling (bts), so that what one's log says of the other can
be held against what that other one earned. The rows are not ours to give: RATOON_OPEN_BANDIT names the wheel, and without it
nothing here is run. `pytest -s` prints the figures.
"""

import os
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import yaml

from ratoon.domain.offpolicy import Decisions, Valued, valued
from ratoon.domain.rewards import cross_fitted

WHEEL = os.environ.get("RATOON_OPEN_BANDIT", "")
POSITIONS = 3
CAMPAIGNS = ("all", "men", "women")

Floats = npt.NDArray[np.float64]

pytestmark = pytest.mark.skipif(not WHEEL, reason="RATOON_OPEN_BANDIT does not name the wheel of obp 0.4.1")


def shipped(name: str) -> bytes:
    with zipfile.ZipFile(Path(WHEEL)) as wheel:
        return wheel.read(f"obp/{name}")


def logged(policy: str, campaign: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats, Floats]:
    """Item, position from 0, click and propensity of each row."""
    rows = pl.read_csv(shipped(f"dataset/obd/{policy}/{campaign}/{campaign}.csv"))
    item, position = (rows[name].to_numpy().astype(np.int64) for name in ("item_id", "position"))
    return item, position - 1, rows["click"].to_numpy().astype(np.float64), rows["propensity_score"].to_numpy().astype(np.float64)


def thompson(campaign: str, rng: np.random.Generator) -> Floats:
    """How likely bts shows each item at each position, by 100,000 draws from the priors it began with; (positions, items)."""
    prior = yaml.safe_load(shipped("policy/conf/prior_bts.yaml"))[campaign]
    alpha, beta = np.array(prior["alpha"]), np.array(prior["beta"])
    found = np.zeros((POSITIONS, len(alpha)))
    for _ in range(20):
        best = np.argsort(-rng.beta(alpha, beta, size=(5_000, len(alpha))), axis=1)[:, :POSITIONS]
        for position in range(POSITIONS):
            found[position] += np.bincount(best[:, position], minlength=len(alpha))
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float64)


def value(log: str, campaign: str, target: Floats, rng: np.random.Generator) -> Valued:
    """What a target (positions, items) is worth by one policy's log; each row is its own user, for the rows name none."""
    item, position, click, propensity = logged(log, campaign)
    items, users, flat = target.shape[1], [str(row) for row in range(len(item))], np.ones(len(item))
    shown = np.concatenate([np.eye(items)[item], np.eye(POSITIONS)[position]], axis=1)
    expected = np.concatenate([target[position], np.eye(POSITIONS)[position]], axis=1)
    decisions = Decisions(users, click, propensity, target[position, item], 0 * flat, flat)
    return valued(decisions, cross_fitted(users, shown, expected, click, flat, rng), draws=1_000, rng=rng)


def told(what: str, found: Valued, low: float, truth: float, high: float) -> None:
    print(f"\n{what}: earned {truth:.5f} [{low:.5f}, {high:.5f}]; n {found.n}, effective {found.effective:.0f}, "
          f"largest weight {found.max_weight:.1f}, rewarded {found.rewarded}")  # fmt: skip
    for one in found.estimates:
        print(f"  {one.estimator:7} {one.value:.5f} [{one.low:.5f}, {one.high:.5f}]")
    for warning in found.warnings:
        print(f"  beware: {warning}")


@pytest.mark.parametrize("campaign", CAMPAIGNS)
@pytest.mark.parametrize(("log", "target"), [("random", "bts"), ("bts", "random")])
def test_one_log_says_what_the_other_earned(log: str, target: str, campaign: str) -> None:
    """The interval of each honest estimator meets the interval of what the target earned itself."""
    rng = np.random.default_rng(0)
    items = int(logged("random", campaign)[0].max()) + 1
    chances = thompson(campaign, rng) if target == "bts" else np.full((POSITIONS, items), 1 / items)
    found = value(log, campaign, chances, rng)
    own = value(target, campaign, chances, rng).by("logged")
    assert own.value is not None
    assert own.low is not None
    assert own.high is not None
    told(f"{campaign}, {target} by the log of {log}", found, own.low, own.value, own.high)
    for name in ("ips", "snips", "dr"):
        one = found.by(name)
        assert one.low is not None
        assert one.high is not None
        assert one.low <= own.high
        assert own.low <= one.high
