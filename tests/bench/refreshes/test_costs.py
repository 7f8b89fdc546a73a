"""What a line says of costs."""

import pytest

from ratoon.bench.refreshes.costs import Costs


def test_a_line_is_found_where_there_is_one() -> None:
    """Costs that grow evenly are explained whole, by what each event costs and what a refresh costs without any."""
    slope, fixed, explained = Costs((100, 200, 400), (1.2, 1.4, 1.8), 1.4, 10.0).line
    assert (slope, fixed, explained) == pytest.approx((0.002, 1.0, 1.0))


def test_costs_off_the_line_are_not_explained() -> None:
    """A cost that jumps in the middle leaves most of the spread unexplained; equal costs leave nothing to explain."""
    assert Costs((100, 200, 300), (1.0, 5.0, 1.0), 5.0, 10.0).line[2] < 0.1
    assert Costs((100, 200, 300), (1.0, 1.0, 1.0), 1.0, 10.0).line[2] == 1.0
