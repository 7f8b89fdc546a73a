"""Sums that do not depend on how the addends were grouped: integers of millionths, in limbs, as many rows at once.

A float sum depends on the order of its additions, so a state that is carried on would differ from a sum over everything.
Here every total is an exact integer, and a result is one fixed sequence of IEEE 754 operations on such integers, without
fused or library-dependent steps: the same bits from a batch, from a carried state, for one entity or a million.
Two-part products and sums are Dekker's (1971) and Knuth's (TAOCP 2, 4.2.2).
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

UNIT = 1_000_000
"""Parts of one that values are rounded to (half to even)."""

LARGEST = 1e9
"""The largest magnitude of a value; with 10**8 events of an entity no limb overflows."""

_SQUARE = 25
_PLAIN = 32


def usable(values: Floats) -> Bools:
    """Which values count: those that are there, and not beyond LARGEST."""
    return np.abs(values) <= LARGEST


def units(values: Floats, valid: Bools) -> Ints:
    """Values in millionths, 0 where not valid."""
    whole: Ints = np.rint(np.where(valid, values, 0.0) * UNIT).astype(np.int64)
    return whole


def plain_limbs(numbers: Ints) -> list[Ints]:
    """Integers as two limbs, highest first: high * 2**32 + low, 0 <= low < 2**32."""
    return [numbers >> _PLAIN, numbers & (2**_PLAIN - 1)]


def square_limbs(numbers: Ints) -> list[Ints]:
    """Squares of integers below 2**50 as four limbs of 25 bits, highest first."""
    mask, sizes = 2**_SQUARE - 1, np.abs(numbers)
    high, low = sizes >> _SQUARE, sizes & mask
    top, cross, bottom = high * high, 2 * high * low, low * low
    return [top >> _SQUARE, (cross >> _SQUARE) + (top & mask), (bottom >> _SQUARE) + (cross & mask), bottom & mask]


def carried(limbs: list[Ints]) -> list[Ints]:
    """Limbs, highest first, with every one but the first brought back into its range."""
    bits = _PLAIN if len(limbs) == 2 else _SQUARE
    out, carry = list[Ints](), np.int64(0) * limbs[0]
    for limb in reversed(limbs[1:]):
        total = limb + carry
        out.append(total & (2**bits - 1))
        carry = total >> bits
    return [limbs[0] + carry, *reversed(out)]


def number(limbs: list[Ints]) -> Floats:
    """The float nearest to a total of plain limbs, in millionths."""
    high, low = (limb.astype(np.float64) for limb in carried(limbs))
    rounded: Floats = high * 2.0**_PLAIN + low
    return rounded


def deviations(counts: Ints, sums: list[Ints], squares: list[Ints]) -> Floats:
    """Population standard deviations from counts > 0, plain limbs of sums and square limbs of squares, in millionths.

    sqrt(n * squares - sum**2) / n with the difference taken to about 106 bits: no digit of it is lost to cancellation
    before those of the inputs are.
    """
    n = counts.astype(np.float64)
    high, low = (limb.astype(np.float64) for limb in carried(sums))
    total, rest = _sum(high * 2.0**_PLAIN, low)
    l3, l2, l1, l0 = (limb.astype(np.float64) for limb in carried(squares))
    square, square_rest = _sum(l3 * 2.0 ** (3 * _SQUARE), l2 * 2.0 ** (2 * _SQUARE))
    square, more = _sum(square, l1 * 2.0**_SQUARE + l0)
    square_rest = square_rest + more
    left, left_rest = _product(n, square)
    right, right_rest = _product(total, total)
    difference, error = _sum(left, -right)
    spread = difference + (error + ((left_rest + n * square_rest) - (right_rest + 2.0 * total * rest)))
    deviation: Floats = np.sqrt(np.maximum(spread, 0.0)) / n
    return deviation


def _sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def _product(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    product = a * b
    (a1, a0), (b1, b0) = _halves(a), _halves(b)
    return product, ((a1 * b1 - product) + a1 * b0 + a0 * b1) + a0 * b0


def _halves(a: Floats) -> tuple[Floats, Floats]:
    scaled = a * 134_217_729.0
    high = scaled - (scaled - a)
    return high, a - high
