"""What all pages share."""

from xml.etree import ElementTree

import pytest

from ratoon.pictures.sheet import section, sheet, table


def test_a_title_is_only_text() -> None:
    """Titles are escaped, bodies are markup, and the page is well-formed."""
    page = ElementTree.fromstring(sheet("<b> & so", section("six", "a < b", "<p>here</p>")))
    assert page.findtext("head/title") == "<b> & so"
    part = page.find("body/section")
    assert part is not None
    assert (part.attrib["class"], part.findtext("h2"), part.findtext("p")) == ("six", "a < b", "here")


def test_columns_with_pictures_are_wider() -> None:
    """One picture in a column marks its head and all of its cells; other columns stay as they are."""
    drawn = ElementTree.fromstring(table(["name", "bar"], [["a", "<svg/>"], ["b", ""]]))
    assert [cell.attrib.get("class") for cell in drawn.iter("th")] == [None, "drawn"]
    assert [cell.attrib.get("class") for cell in drawn.iter("td")] == [None, "drawn"] * 2


def test_a_row_has_a_cell_for_each_head() -> None:
    """A row of another length is an error of ours, and no table comes of it."""
    with pytest.raises(ValueError, match=r"zip\(\) argument"):
        table(["one", "two"], [["1", "2", "3"]])
