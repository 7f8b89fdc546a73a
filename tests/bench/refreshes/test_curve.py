"""The picture is well-formed, and says what the figures say."""

from itertools import pairwise
from xml.etree import ElementTree

from ratoon.bench.refreshes.curve import chart, picture

SVG = "{http://www.w3.org/2000/svg}"


def kept(height: float, cost: list[tuple[int, float]] | None = None) -> dict[str, object]:
    lines = {"rows": [(2, height), (4, -height)], "auto": [(2, 0.0), (4, height)]}
    return {"curves": {"best": "scratch", "recall": lines, "difference": lines, "cost": cost or []}}


def test_each_set_has_its_charts() -> None:
    """Recall, its difference and costs are drawn with the set's name; without costs two charts, of a set not run none."""
    costed = kept(0.1, [(100, 1.0), (200, 2.0)])
    drawn = ElementTree.fromstring(picture({"one & only": costed, "absent": {}, "other": kept(0.2)}))
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert sum("one & only" in (text or "") for text in texts) == 3
    assert "one & only: recall@50 minus the best retrain's (scratch), by slice" in texts
    assert not any("absent" in (text or "") for text in texts)
    assert len(list(drawn.iter(f"{SVG}polyline"))) == 2 + 2 + 1 + 2 + 2


def test_higher_is_better_and_zero_is_drawn() -> None:
    """A larger difference lies higher on the page, and the line of no difference is there to be compared with."""
    drawn = ElementTree.fromstring(f'<svg xmlns="http://www.w3.org/2000/svg">{chart("t", {"a": [(1, 0.5), (2, -0.5)]}, 0)}</svg>')
    points = next(drawn.iter(f"{SVG}polyline")).attrib["points"].split()
    first, second = (float(point.split(",")[1]) for point in points)
    zero = {float(line.attrib["y1"]) for line in drawn.iter(f"{SVG}line")}
    assert first < (first + second) / 2 < second
    assert any(abs(line - (first + second) / 2) < 0.06 for line in zero)


def test_nothing_measured_is_an_empty_picture() -> None:
    """Without a set there is still a picture that can be opened."""
    assert not list(ElementTree.fromstring(picture({})).iter(f"{SVG}polyline"))


def test_labels_do_not_run_into_each_other() -> None:
    """Under a long walk some slices go without a number, and the first keeps its own."""
    line = [(slice_, 0.1) for slice_ in range(1, 61)]
    drawn = ElementTree.fromstring(f'<svg xmlns="http://www.w3.org/2000/svg">{chart("t", {"a": line}, 0)}</svg>')
    middle = [text for text in drawn.iter(f"{SVG}text") if text.attrib.get("text-anchor") == "middle"]
    places = [float(text.attrib["x"]) for text in middle]
    assert middle[0].text == "1"
    assert min(b - a for a, b in pairwise(places)) > 25
