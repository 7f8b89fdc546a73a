"""Spans of time."""

from xml.etree import ElementTree

import pytest

from ratoon.pictures import Mark, Span, spans


def test_spans_lie_where_they_are_on_the_axis() -> None:
    """The axis reaches from 0 to its end; a bar begins and ends on it, and one too short to be seen has a least width."""
    root = ElementTree.fromstring(spans("t", 10.0, {"a": [Span(0, 10)], "b": [Span(5, 5, "<now>", 2)]}, width=1130, unit="min"))
    whole, short = root.iter("rect")
    assert (float(whole.attrib["x"]), float(whole.attrib["width"])) == (110.0, 1000.0)
    assert (float(short.attrib["x"]), float(short.attrib["width"]), short.attrib["class"]) == (610.0, 1.0, "d2")
    assert float(short.attrib["y"]) > float(whole.attrib["y"])
    assert short.findtext("title") == "<now>"
    assert [one.text for one in root.iter("text")][-2:] == ["a", "b"]


@pytest.mark.parametrize(("bad", "kind"), [(True, "span down"), (False, "point")])
def test_a_mark_crosses_its_row(bad: bool, kind: str) -> None:
    """On the row that it is named for, red where it is bad; what lies outside of the axis is drawn at its end."""
    drawn = spans("t", 10.0, {"a": [], "b": []}, width=1130, unit="s", marks={"b": [Mark(2.5, "x", bad), Mark(99.0)]})
    lines = [one for one in ElementTree.fromstring(drawn).iter("line") if one.attrib["class"] != "grid"]
    assert [(float(one.attrib["x1"]), one.attrib["class"]) for one in lines] == [(360.0, kind), (1110.0, "point")]
    assert all(30 <= float(one.attrib["y1"]) < float(one.attrib["y2"]) <= 60 for one in lines)


def test_no_time_at_all() -> None:
    """Of nothing an empty picture is drawn."""
    assert "<svg" in spans("t", 0.0, {"a": []}, width=500, unit="s")
