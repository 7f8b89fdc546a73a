"""The report."""

from dataclasses import replace
from xml.etree import ElementTree

from ratoon.bench.faults import Check
from ratoon.bench.soaking.page import page
from ratoon.bench.soaking.soak import rows
from tests.bench.soaking.pieces import MADE, seen
from tests.pictures.pages import text

HELD, BROKEN = Check("nothing <lost>", True, "20 rows"), Check("same release", False, "r3 is not r4")


def test_the_report_is_one_file_that_fetches_nothing() -> None:
    """It is well-formed, with pictures inside, and what a world is called cannot become markup."""
    said = page("a <world>", seen(), [HELD], MADE, "2 processors")
    root = ElementTree.fromstring(said.removeprefix("<!DOCTYPE html>\n"))
    assert len([one for one in root.iter("svg") if one.attrib["class"] == "chart"]) == 4
    assert "http" not in said.replace("http-equiv", "")
    assert "All 1 checks hold" in text(root)
    assert "a <world>" in text(root)
    assert "nothing <lost>" in text(root)


def test_a_check_that_failed_is_the_headline() -> None:
    """Above everything, and in red; the row says so, too."""
    root = ElementTree.fromstring(page("w", seen(), [HELD, BROKEN], MADE, "").removeprefix("<!DOCTYPE html>\n"))
    (head,) = root.iter("header")
    assert (head.attrib["class"], head.findtext("h1")) == ("bad", "1 of 2 checks failed")
    by_name = {row.quantity: row for row in rows(seen(), [HELD, BROKEN])}
    assert (by_name["nothing <lost>"].holds, by_name["same release"].holds) == (True, False)
    assert by_name["blows"].value == 1


def test_blows_are_drawn_where_they_fell() -> None:
    """A stroke for the kill on the server's row, none for the end of the soak, and a bar for each life and release."""
    root = ElementTree.fromstring(page("w", seen(), [HELD], MADE, "").removeprefix("<!DOCTYPE html>\n"))
    titles = [one.text or "" for one in root.iter("title")]
    assert "SIGKILL at 4.0 s" in titles
    assert not any("at 20.0 s" in one for one in titles)
    assert [one for one in titles if one.startswith("release")] == [f"release {n}, up to {10 * n}" for n in (1, 2, 3)]
    unbroken = replace(seen(), lives={name: lives[-1:] for name, lives in seen().lives.items()})
    assert "SIGKILL" not in "".join(
        one.text or "" for one in ElementTree.fromstring(page("w", unbroken, [HELD], MADE, "")[16:]).iter("title")
    )
