"""Spans of time as people read them."""

import pytest

from ratoon.domain.duration import duration, seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(259_200, "3.0 d"), (5_400, "1.5 h"), (300, "5 min"), (12.3, "12 s"), (0, "0 s"), (0.25, "0.2 s"), (1e-6, "1e-06 s")],
)
def test_the_unit_fits_the_span(seconds: float, said: str) -> None:
    """Each span is said in the largest unit of which it has at least one."""
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("text", "span"), [("30 d", 2_592_000.0), ("1.5h", 5_400.0), ("5 min", 300.0), (" 0 s ", 0.0), ("3.0 d", 259_200.0)]
)
def test_a_text_says_a_span(text: str, span: float) -> None:
    """A number and a unit, with or without a space between them, are a span in seconds."""
    assert seconds(text) == span


@pytest.mark.parametrize("text", ["", "30", "d", "-1 d", "1 week", "nan d", "1e3 s", "1 d 2 h", "\u0663 d"])
def test_other_texts_say_none(text: str) -> None:
    """A text that is not one number with one unit says no span."""
    assert seconds(text) is None
