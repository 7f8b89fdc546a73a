"""Reading a page back."""

from xml.etree import ElementTree

from ratoon.domain.report import Run
from ratoon.pictures import run_page


def opened(run: Run, runs: list[Run] | None = None) -> ElementTree.Element:
    """The page of a run as a tree; it must be well-formed."""
    return ElementTree.fromstring(run_page(run, [run] if runs is None else runs))


def text(element: ElementTree.Element) -> str:
    """All that is to be read in it."""
    return " ".join(part.strip() for part in element.itertext() if part.strip())


def section(page: ElementTree.Element, title: str) -> ElementTree.Element:
    """The section whose heading begins like this."""
    (found,) = [one for one in page.iter("section") if (one.findtext("h2") or "").startswith(title)]
    return found


def rows(part: ElementTree.Element) -> list[list[str]]:
    """The cells of a part's tables, without their heads."""
    return [[text(cell) for cell in row] for body in part.iter("tbody") for row in body]
