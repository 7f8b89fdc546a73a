"""Spans of time as people read them."""

import pytest

from ratoon.domain.duration import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(259_200, "3.0 d"), (5_400, "1.5 h"), (300, "5 min"), (12.3, "12 s"), (0, "0 s"), (0.25, "0.2 s"), (1e-6, "1e-06 s")],
)
def test_the_unit_fits_the_span(seconds: float, said: str) -> None:
    """Each span is said in the largest unit of which it has at least one."""
    assert duration(seconds) == said
