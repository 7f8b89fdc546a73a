"""Totals in limbs are exact integers, and what is made of them is as near as a float can be."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratoon.features.folds import exact

VALUES = st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.5, 3.0, 1e9, -1e9, 1e-6]), min_size=1, max_size=20)


def summed(limbs: list[exact.Ints]) -> list[exact.Ints]:
    return [np.array([limb.sum()]) for limb in limbs]


def whole(limbs: list[exact.Ints], bits: int) -> int:
    number = 0
    for limb in limbs:
        number = (number << bits) + int(limb[0])
    return number


def parts(values: list[float]) -> exact.Ints:
    array = np.array(values)
    return exact.units(array, exact.usable(array))


@given(values=VALUES)
def test_limbs_add_up_to_the_exact_totals(values: list[float]) -> None:
    """The limbs of sums and of squares, summed one by one, are the limbs of the exact integer totals."""
    numbers = parts(values)
    plain, square = exact.carried(summed(exact.plain_limbs(numbers))), exact.carried(summed(exact.square_limbs(numbers)))
    assert whole(plain, 32) == sum(int(number) for number in numbers)
    assert whole(square, 25) == sum(int(number) ** 2 for number in numbers)
    assert all(0 <= int(limb[0]) < 2**32 for limb in plain[1:])
    assert all(0 <= int(limb[0]) < 2**25 for limb in square[1:])


@given(values=VALUES)
@example(values=[-1e-6])
@example(values=[1e9, -1e9, 1e-6])
def test_a_total_is_rounded_once(values: list[float]) -> None:
    """A total in millionths is the float nearest to the exact one."""
    numbers = parts(values)
    assert exact.number(summed(exact.plain_limbs(numbers)))[0] == float(sum(int(number) for number in numbers))


@given(values=VALUES)
@example(values=[1e9, 1e9 - 1e-3])
@example(values=[1e9] * 7)
@example(values=[-3.5] * 20)
def test_a_deviation_loses_nothing_to_cancellation(values: list[float]) -> None:
    """The deviation is that of exact arithmetic to 1e-12 of itself, or to a millionth of a millionth, however far from 0."""
    numbers = parts(values)
    mean = Fraction(sum(int(number) for number in numbers), len(numbers))
    variance = sum((Fraction(int(number)) - mean) ** 2 for number in numbers) / len(numbers)
    found = exact.deviations(np.array([len(values)]), summed(exact.plain_limbs(numbers)), summed(exact.square_limbs(numbers)))
    assert found[0] == pytest.approx(float(variance) ** 0.5, rel=1e-12, abs=1e-6)


def test_values_beyond_the_range_do_not_count() -> None:
    """What is missing, infinite or larger than a thousand million is no value; a thousand million is one."""
    values = np.array([np.nan, np.inf, -np.inf, 1.1e9, 1e9, -1e9, 0.0])
    assert exact.usable(values).tolist() == [False] * 4 + [True] * 3
    assert exact.units(values, exact.usable(values)).tolist() == [0] * 4 + [10**15, -(10**15), 0]


def test_decimal_values_add_up_as_people_add_them() -> None:
    """Ten times 0.1 is 1, and a sum that has lost its large values keeps no trace of them."""
    assert exact.number(summed(exact.plain_limbs(parts([0.1] * 10))))[0] / exact.UNIT == 1.0
    assert exact.number(summed(exact.plain_limbs(parts([1e9, 0.1, -1e9]))))[0] / exact.UNIT == 0.1
