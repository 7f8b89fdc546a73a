"""The page of a surface's life is well-formed, and says what its figures say."""

from xml.etree import ElementTree

from ratoon.domain.lifecycle import life
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.upkeep import Upkeep
from ratoon.pictures import life_page
from tests.fakes.runs import aged, run
from tests.pictures.pages import opened, rows, section, text


def test_a_life_is_drawn() -> None:
    """Recall by release with the forecast's line, the date in words, and the cost of each scope beside what was saved."""
    page = ElementTree.fromstring(life_page(life("default", aged(0.39, 0.38, 0.37, 0.36, 0.35), (), 0.2)))
    assert "Life since the full retrain that made release 1, 2020-01-02 00:00 UTC" in text(page)
    assert "12.5% of recall is lost by the line; 20% will be on 2020-01-1" in text(page)
    drawn = section(page, "Recall@50 of each release")
    assert [len(one.attrib["points"].split()) for one in drawn.iter("polyline")] == [5, 5, 5, 5]
    spent = section(page, "What it took")
    assert [row[:4] for row in rows(spent)] == [["rows", "5", "5", "2,500"]]
    assert "5 releases were made otherwise" in text(spent)


def test_a_life_of_nothing() -> None:
    """Before a release there is nothing to draw, and the page says so."""
    page = ElementTree.fromstring(life_page(life("default", [], (), 0.2)))
    assert "nothing: no release is known" in text(page)
    assert list(page.iter("section")) == []


def test_operations_are_on_the_page() -> None:
    """The newest run of each operation has a section with what it did, the newest first."""
    runs = [
        run(number, plan=RefreshPlan("upkeep", "asked for"), truth=None, upkeep=Upkeep(name, {}, "f" * 64, f"choice {number}"))
        for number, name in ((2, "prune"), (3, "quantise"), (4, "prune"))
    ]
    page = ElementTree.fromstring(life_page(life("default", [*aged(), *runs], (), 0.2), runs))
    titles = [one.findtext("h2") for one in page.iter("section")][2:]
    assert titles == ["prune: published, run 4, 2020-04-10", "quantise: published, run 3, 2020-04-10"]
    assert "choice 4" in text(page)
    assert "choice 2" not in text(page)


def test_it_is_a_section_of_a_run() -> None:
    """A run's page has the life up to that run; that of a full retrain, which begins one, has none."""
    runs = aged(0.39, 0.38, 0.37)
    (drawn,) = [one for one in opened(runs[2], runs).iter("section") if "Life since" in (one.findtext("h2") or "")]
    assert [len(one.attrib["points"].split()) for one in drawn.iter("polyline")] == [2, 2]
    assert "Life since" not in text(opened(runs[0], runs))
