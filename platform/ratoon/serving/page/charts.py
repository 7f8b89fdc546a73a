"""The page's charts, as inline SVG without styles of their own."""

import math
from collections.abc import Mapping
from html import escape

from ratoon.serving.page.figures import Spread
from ratoon.serving.page.words import span

FASTEST, SLOWEST = -3.0, 6.0
"""Powers of ten of a second at the ends of the ladder's scale: a millisecond, twelve days."""

TICKS = ((1e-3, "1 ms"), (1.0, "1 s"), (60.0, "1 min"), (3600.0, "1 h"), (86_400.0, "1 d"))
WIDTH, HEIGHT, BASE = 400.0, 120.0, 96.0


def rung(spread: Spread) -> str:
    """From the median to the 95th percentile on the ladder's scale, which is logarithmic."""
    grid = "".join(f'<line class="grid" x1="{_x(at):.1f}" x2="{_x(at):.1f}" y1="0" y2="24"/>' for at, _ in TICKS)
    if spread.p50 is None or spread.p95 is None:
        return f'<svg class="rung" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">{grid}</svg>'
    low, high = _x(spread.p50), _x(spread.p95)
    bar = f'<rect class="reach" x="{low:.2f}" y="9" width="{max(high - low, 0.5):.2f}" height="6"/>'
    ends = f'<line class="median" x1="{low:.2f}" x2="{low:.2f}" y1="4" y2="20"/>'
    return f'<svg class="rung" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">{grid}{bar}{ends}</svg>'


def scale() -> str:
    """The ladder's scale in words."""
    words = "".join(f'<text x="{_x(at):.1f}%" y="11">{label}</text>' for at, label in TICKS)
    return f'<svg class="scale" aria-hidden="true">{words}</svg>'


def histogram(spread: Spread, said: Mapping[str, float | None]) -> str:
    """A bar per bucket that has something, or lies between two that have.

    Args:
        said: name -> seconds of the marks under it.
    """
    held = [place for place, count in enumerate(spread.counts) if count]
    first, last = held[0], held[-1]
    counts = spread.counts[first : last + 1]
    edges = [_edge(spread, place) for place in range(first, last + 2)]
    wide, tallest = WIDTH / len(counts), max(counts)
    bars = []
    for place, count in enumerate(counts):
        high = (BASE - 14) * count / tallest
        says = f"{span(edges[place])} to {span(edges[place + 1])}: {count:,.0f}"
        x = place * wide
        bars.append(
            f'<rect class="column" x="{x + 1:.1f}" y="{BASE - high:.1f}" width="{wide - 2:.1f}" height="{high:.1f}" rx="1.5">'
            f"<title>{escape(says)}</title></rect>"
        )
    labels = [
        f'<text x="{place * wide:.1f}" y="{BASE + 16}"{_side(place, len(counts))}>{span(edge)}</text>'
        for place, edge in enumerate(edges)
        if _labelled(place, len(counts))
    ]
    told = "; ".join(f"{name} {span(value)}" for name, value in said.items())
    title = f"Time of {spread.count:,} retrievals: {told}"
    foot = f'<line class="axis" x1="0" x2="{WIDTH}" y1="{BASE}" y2="{BASE}"/>'
    return (
        f'<svg class="histogram" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(bars)}{foot}{''.join(labels)}</svg>"
    )


def _x(seconds: float) -> float:
    """A place on the ladder's scale, from 0 to 100."""
    power = math.log10(max(seconds, 1e-9))
    return 100 * min(max((power - FASTEST) / (SLOWEST - FASTEST), 0.0), 1.0)


def _edge(spread: Spread, place: int) -> float:
    """The lower bound of a bucket; the last bound again beyond it, for what lies above has none."""
    return 0.0 if place == 0 else spread.bounds[min(place, len(spread.bounds)) - 1]


def _labelled(place: int, count: int) -> bool:
    every = math.ceil((count + 1) / 7)
    return place % every == 0


def _side(place: int, count: int) -> str:
    return ' text-anchor="start"' if place == 0 else ' text-anchor="end"' if place == count else ' text-anchor="middle"'
