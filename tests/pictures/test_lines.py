"""Line charts: where things stand."""

import itertools
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.pictures.lines import LABELS, LEFT, LETTER, apart, chart, nice


@given(low=st.floats(-1e9, 1e9), span=st.floats(0, 1e9))
def test_ticks_hold_all_values(low: float, span: float) -> None:
    """Ticks are 2 to 8 equal steps around the values, however large, small or alike these are."""
    high = low + span
    ticks = nice(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-9)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert ticks[-1] > ticks[0]


@pytest.mark.parametrize(("low", "high", "ticks"), [(0, 1, [0, 0.5, 1]), (0.1, 0.42, [0.1, 0.2, 0.3, 0.4, 0.5]), (3, 3, [3, 4])])
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    """Steps are 1, 2 or 5 times a power of ten."""
    assert nice(low, high) == pytest.approx(ticks)


@given(ends=st.dictionaries(st.text(min_size=1), st.floats(0, 200), min_size=1, max_size=6))
def test_names_never_overlap(ends: dict[str, float]) -> None:
    """Names at the ends of lines keep 15 apart, are in the lines' order, and never stand above their line."""
    placed = apart(ends)
    heights = list(placed.values())
    assert all(below - above >= 15 - 1e-9 for above, below in itertools.pairwise(heights))
    assert all(placed[name] >= end for name, end in ends.items())
    assert [ends[name] for name in placed] == sorted(ends.values())


def test_one_position_stands_in_the_middle() -> None:
    """A single pass is a point, not a line from nowhere; with many positions some labels go, never the last."""
    one = ElementTree.fromstring(chart("One <pass>", ["pass 1"], {"train": [2.0]}, width=400, height=200))
    (dot,) = one.iter("circle")
    grid = next(one.iter("line"))
    assert float(dot.attrib["cx"]) == pytest.approx((LEFT + float(grid.attrib["x2"])) / 2, abs=0.1)
    assert one.attrib["aria-label"] == "One <pass>"
    assert dot.findtext("title") == "pass 1: 2"
    names = [str(number) for number in range(1, 101)]
    many = ElementTree.fromstring(chart("Many", names, {"a": list(range(100))}, width=400, height=200))
    shown = [one.text for one in many.iter("text") if one.attrib.get("text-anchor") == "middle"]
    assert len(shown) <= LABELS
    assert shown[-1] == "100"
    assert len(list(many.iter("circle"))) == 1


def test_long_labels_stay_inside() -> None:
    """What stands under the first and the last position is not cut off at the picture's edges; between them it is centred."""
    names = ["the release as it was", "1", "everything at once, weighed by all"]
    drawn = ElementTree.fromstring(chart("A", names, {"a": [1.0, 2.0, 3.0]}, width=600, height=200))
    at = {one.text: float(one.attrib["x"]) for one in drawn.iter("text") if one.attrib.get("text-anchor") == "middle"}
    assert at[names[0]] == pytest.approx(LETTER * len(names[0]) / 2, abs=0.1)
    assert at[names[2]] + LETTER * len(names[2]) / 2 <= 600
    dots = [float(dot.attrib["cx"]) for dot in drawn.iter("circle")]
    assert at["1"] == dots[1]


def test_zero_is_on_the_scale_when_asked_for() -> None:
    """A chart from zero has its lowest tick there; another begins just below its least value."""

    def lowest(from_zero: bool) -> str | None:
        drawn = chart("A", ["1", "2"], {"a": [5.0, 6.0]}, width=400, height=200, from_zero=from_zero)
        return next(ElementTree.fromstring(drawn).iter("text")).text

    assert (lowest(True), lowest(False)) == ("0", "5")
