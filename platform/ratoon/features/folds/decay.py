"""Exponential decay with exact sums: weights are taken against fixed moments, so that totals are integers and never rescaled.

Time is cut into blocks of BLOCK half-lives. Inside a block an interaction weighs 2**(its age against the block's start), and
sums of such weights are exact integers. A value at a moment is the total of its block so far plus the totals of the BACK
blocks before it, each scaled by a power of two, divided by the moment's own weight. What is older weighs less than 2**-48
and counts as nothing.
"""

from decimal import Decimal, localcontext
from functools import cache

import numpy as np

from ratoon.features.folds.exact import Floats, Ints

BLOCK = 16
BACK = 3
COUNT_SCALE = 2.0**32
"""Parts of one that the weight of one interaction is rounded to; weighted values are rounded to their millionths."""

_STEPS = 256


def blocks(times: Ints, half_life: int) -> Ints:
    """The block that each moment lies in; times and half-life in microseconds."""
    return times // (BLOCK * half_life)


def weights(times: Ints, half_life: int) -> Floats:
    """2**(half-lives since the start of the moment's block), in [1, 2**BLOCK), to about 1e-15.

    From a table and a polynomial, not exp2: libraries round that one differently, and differently per vector width.
    """
    ages = (times % (BLOCK * half_life)).astype(np.float64) / float(half_life)
    steps = ages * _STEPS
    whole = np.minimum(np.floor(steps), BLOCK * _STEPS - 1.0)
    rest = (steps - whole) * (_LN2 / _STEPS)
    table: Floats = _powers()[whole.astype(np.int64)]
    return table * (1.0 + rest * (1.0 + rest / 2.0 * (1.0 + rest / 3.0 * (1.0 + rest / 4.0))))


def weighted(scaled: Floats) -> list[Ints]:
    """Weighted amounts, rounded to integers, as plain limbs; they may pass 2**63, which floats hold exactly."""
    rounded = np.rint(scaled)
    high = np.floor(rounded / 2.0**32)
    return [high.astype(np.int64), (rounded - high * 2.0**32).astype(np.int64)]


def combined(totals: list[Floats]) -> Floats:
    """The totals of a block and of the BACK blocks before it, newest first, at the newest block's scale."""
    value = totals[-1]
    for total in reversed(totals[:-1]):
        value = value * 2.0**-BLOCK + total
    return value


@cache
def _powers() -> Floats:
    with localcontext() as context:
        context.prec = 30
        fractions = [Decimal(2) ** (Decimal(step) / _STEPS) for step in range(_STEPS)]
    return np.array([float(fraction) * 2.0**whole for whole in range(BLOCK) for fraction in fractions])


_LN2 = 0.6931471805599453
