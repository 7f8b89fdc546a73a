"""Growth is told from the middle of what was seen, so that one odd look makes none."""

import pytest

from ratoon.bench.serving.lasting import grown, soaked

LOOKS = [(float(second), 100.0 + second * 0.1, 20) for second in range(200)]


def test_growth_is_of_the_last_tenth_over_the_first() -> None:
    """After the moment from which it counts; what came before may have grown as it liked."""
    early = [(second, 10.0, 3) for second in range(-50, 0)]
    share, opened = grown([*early, *LOOKS], 0.0)
    assert share == pytest.approx(19 / 101 - 0.001, abs=0.02)
    assert opened == 0


def test_one_odd_look_is_no_growth() -> None:
    """A peak of a second neither at the beginning nor at the end."""
    flat = [(float(second), 100.0, 20) for second in range(200)]
    flat[3], flat[-2] = (3.0, 500.0, 90), (198.0, 900.0, 99)
    assert grown(flat, 0.0) == (0.0, 0)


def test_descriptors_that_stay_open_are_counted() -> None:
    """By how many more there are at the end."""
    leaking = [(float(second), 100.0, 20 + second // 10) for second in range(200)]
    assert grown(leaking, 0.0)[1] == pytest.approx(18, abs=1)


def test_too_few_adoptions_are_said_so() -> None:
    """Without a fourth there is nothing to compare with, and the row is not run."""
    (row,) = soaked(LOOKS, [1.0, 2.0, 3.0], "nothing")
    assert (row.unit, row.holds) == ("not run", False)
    assert "only 3 releases" in row.against
    memory, descriptors = soaked(LOOKS, [1.0, 2.0, 3.0, 4.0], "some load")
    assert not memory.holds
    assert descriptors.holds
