"""Spans of time, one row of them above the other, over one axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ratoon.pictures.lines import nice

LEFT, RIGHT, ROW, BAR, FOOT = 110, 20, 30, 14, 26
LEAST = 1.0
"""Width of the shortest span, so that it is seen."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` to `end`, in the unit of the axis.

    Attributes:
        kind: its colour: 1 to 4, as lines have them, or 0 for a soft one.
        says: what it tells when it is pointed at.
    """

    begin: float
    end: float
    says: str = ""
    kind: int = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a row; one that is `bad` stands out."""

    at: float
    says: str = ""
    bad: bool = False


def spans(
    title: str,
    until: float,
    rows: Mapping[str, Sequence[Span]],
    *,
    width: int,
    unit: str,
    marks: Mapping[str, Sequence[Mark]] | None = None,
) -> str:
    """A row of bars per name, from the top down in order.

    Args:
        until: where the axis ends; it begins at 0.
        unit: behind the axis' last number.
        marks: the moments of each row, drawn through its bars.
    """
    height, inner = ROW * len(rows) + FOOT, width - LEFT - RIGHT

    def x(at: float) -> float:
        return LEFT + inner * min(max(at / until, 0.0), 1.0) if until > 0 else LEFT

    unit = f" {unit}"
    ticks = [tick for tick in nice(0.0, until, 8) if tick <= until]
    parts = [
        f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="0" y2="{height - FOOT}"/>'
        f'<text x="{x(tick):.1f}" y="{height - 8}" text-anchor="middle">{tick:.4g}{unit if tick == ticks[-1] else ""}</text>'
        for tick in ticks
    ]
    for number, (name, row) in enumerate(rows.items()):
        top = ROW * number + (ROW - BAR) / 2
        parts.append(f'<text x="{LEFT - 10}" y="{top + BAR - 3:.1f}" text-anchor="end">{escape(name)}</text>')
        parts += [_bar(x(one.begin), x(one.end), top, one) for one in row]
        parts += [_mark(x(one.at), top, one) for one in (marks or {}).get(name, ())]
    named = f'role="img" aria-label="{escape(title)}"'
    return f'<svg class="chart" viewBox="0 0 {width} {height}" {named}>{"".join(parts)}</svg>'


def _bar(left: float, right: float, top: float, one: Span) -> str:
    wide = max(right - left, LEAST)
    return (
        f'<rect class="d{one.kind}" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{BAR}">'
        f"<title>{escape(one.says)}</title></rect>"
    )


def _mark(at: float, top: float, one: Mark) -> str:
    kind = "span down" if one.bad else "point"
    return (
        f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{top - 5:.1f}" y2="{top + BAR + 5:.1f}">'
        f"<title>{escape(one.says)}</title></line>"
    )
