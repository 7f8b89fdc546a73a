"""The picture of a replay is well-formed, and says what the figures say."""

from xml.etree import ElementTree

from ratoon.bench.backtests import page, told
from tests.bench.backtests.days import DAYS
from tests.pictures.pages import rows, section, text


def test_quality_is_set_against_cost() -> None:
    """Each policy has a line in both charts and a row in the table; a day without questions leaves a gap."""
    drawn = ElementTree.fromstring(page(DAYS, told(DAYS)))
    assert "3 days, 6 questions" in text(drawn)
    for title, points in (("recall@50", 2), ("CPU seconds", 3)):
        lines = [one.attrib["points"].split() for one in section(drawn, title).iter("polyline")]
        assert [len(line) for line in lines] == [points, points]
    dense, adaptive = rows(section(drawn, "Quality against cost"))
    assert (dense[0], dense[1], dense[3], dense[4]) == ("dense", "0.3333", "", "40.0")
    assert (adaptive[0], adaptive[1], adaptive[5]) == ("adaptive", "0.6667", "10%")
    assert adaptive[3].startswith("+0.3333 (")
    assert adaptive[6] == "1 rows, 1 skipped, 1 refused"


def test_a_page_without_questions() -> None:
    """Where nothing was asked the page says so."""
    assert "1 days without a question" in text(ElementTree.fromstring(page([DAYS[1]], [])))
