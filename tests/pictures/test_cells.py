"""Pictures in cells."""

from xml.etree import ElementTree

import pytest

from ratoon.pictures.cells import bar, interval


@pytest.mark.parametrize(("share", "width"), [(-1.0, 0.0), (0.0, 0.0), (0.25, 25.0), (1.0, 100.0), (7.0, 100.0)])
def test_a_bar_stays_in_its_cell(share: float, width: float) -> None:
    """A bar is as long as its share of the cell, at least nothing and at most all of it."""
    (rect,) = ElementTree.fromstring(bar(share))
    assert float(rect.attrib["width"]) == width


def test_limits_cross_the_bar() -> None:
    """Each limit is a line from top to bottom at its share, and a bar that is beyond one says so."""
    rect, first, second = ElementTree.fromstring(bar(0.5, over=True, limits=(0.2, 0.8)))
    assert rect.attrib["class"] == "bar over"
    assert [(one.attrib["x1"], one.attrib["y1"], one.attrib["y2"]) for one in (first, second)] == [
        ("20.00", "0", "24"),
        ("80.00", "0", "24"),
    ]


@pytest.mark.parametrize(
    ("low", "high", "kind"), [(0.1, 0.3, "span up"), (-0.3, -0.1, "span down"), (-0.1, 0.1, "span"), (0.0, 0.2, "span")]
)
def test_an_interval_says_on_which_side_of_zero_it_is(low: float, high: float, kind: str) -> None:
    """Green only if all of it is above zero, red only if all of it is below; zero is the middle."""
    zero, span, point = ElementTree.fromstring(interval(low, (low + high) / 2, high, 0.4))
    assert zero.attrib["x1"] == "50.00"
    assert span.attrib["class"] == kind
    assert float(span.attrib["x1"]) == pytest.approx(50 + 120 * low)
    assert float(point.attrib["x1"]) == pytest.approx(50 + 60 * (low + high), abs=0.01)
