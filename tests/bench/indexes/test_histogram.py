"""Latencies as a picture."""

from xml.etree import ElementTree

from ratoon.bench.indexes.histogram import STEPS, counted, picture

SVG = "{http://www.w3.org/2000/svg}"


def test_shares_add_up() -> None:
    """Every search is in one bin, those beyond the ends in the outermost; of nothing there is nothing."""
    shares = counted([1e-9, 2e-4, 2e-4, 99.0])
    assert (len(shares), sum(shares), shares[0], shares[-1]) == (STEPS, 1.0, 0.25, 0.25)
    assert max(shares) == 0.5
    assert counted([]) == [0.0] * STEPS


def test_each_histogram_is_a_line() -> None:
    """The picture is well-formed and names what it draws; a later bin is further right, a larger share higher."""
    drawn = ElementTree.fromstring(picture({"idle": counted([1e-4]), "2,000/s": counted([1e-4, 1e-2])}, "a & b"))
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert {"a & b", "idle", "2,000/s", "ms a search"} <= set(texts)
    idle, busy = (
        [tuple(map(float, one.split(","))) for one in line.attrib["points"].split()] for line in drawn.iter(f"{SVG}polyline")
    )
    assert min(y for _, y in idle) < min(y for _, y in busy)
    assert [x for x, _ in idle] == sorted(x for x, _ in idle)
