"""Figures as pictures: values go in, HTML with inline SVG comes out. Nothing is opened, read or written here."""

from ratoon.pictures.lifecycle import life_page
from ratoon.pictures.lines import chart
from ratoon.pictures.run import run_page
from ratoon.pictures.sheet import section, sheet, table
from ratoon.pictures.spans import Mark, Span, spans
from ratoon.pictures.upkeep import upkeep

__all__ = ["Mark", "Span", "chart", "life_page", "run_page", "section", "sheet", "spans", "table", "upkeep"]
