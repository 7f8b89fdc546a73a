"""Weights double every half-life, and are the same bits wherever they are computed."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.features.folds import decay

DAY = 86_400_000_000
TIMES = st.lists(st.integers(0, 4_102_444_800_000_000), min_size=1, max_size=9)


@given(times=TIMES, half_life=st.sampled_from([1_000_000, 3_600_000_000, 7 * DAY, 36_500 * DAY]))
def test_a_weight_is_a_power_of_two_of_its_age(times: list[int], half_life: int) -> None:
    """A weight is 2**(half-lives since its block began), to 1e-14; alone and among others it has the same bits."""
    moments = np.array(times)
    weights = decay.weights(moments, half_life)
    for place, moment in enumerate(times):
        age = Decimal(moment % (decay.BLOCK * half_life)) / half_life
        assert weights[place] == pytest.approx(float(Decimal(2) ** age), rel=1e-14)
        assert decay.weights(moments[place : place + 1], half_life)[0] == weights[place]


def test_a_weight_stays_inside_its_block() -> None:
    """At a block's first moment a weight is 1, just before the next block it is at most 2**BLOCK."""
    edge = decay.BLOCK * 7 * DAY
    assert decay.weights(np.array([0, edge]), 7 * DAY).tolist() == [1.0, 1.0]
    assert 2.0**15.9 < decay.weights(np.array([edge - 1]), 7 * DAY)[0] <= 2.0**16
    assert decay.blocks(np.array([edge - 1, edge]), 7 * DAY).tolist() == [0, 1]


def test_weighted_amounts_keep_their_low_digits() -> None:
    """Amounts beyond 2**63 and below 0 are split into limbs without loss."""
    amounts = [2.0**66, -1.0, -(2.0**40) - 3.0, 0.5, 1.5]
    high, low = decay.weighted(np.array(amounts))
    assert [(int(top) << 32) + int(bottom) for top, bottom in zip(high, low, strict=True)] == [2**66, -1, -(2**40) - 3, 0, 2]
