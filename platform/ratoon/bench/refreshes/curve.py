"""The walk as one picture: how far each policy is from the best retrain, slice by slice, and cost over the delta's size."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 240, 64, 170, 30, 36
COLOURS = ("#1f5fbf", "#6a8f3c", "#9aa0a6", "#c5762b")

LABELS = 16
"""About how many labels fit under the axis."""

Line = Sequence[tuple[float, float]]


def picture(sets: Mapping[str, Mapping[str, Any]]) -> str:
    """One SVG: for each set a chart of each kind of line that `measuring` keeps under `curves`."""
    parts, top = [], 0
    for name, kept in sets.items():
        for title, lines in _charts(name, kept["curves"]) if "curves" in kept else ():
            parts.append(chart(title, lines, top))
            top += HEIGHT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {max(top, 1)}" font-family="system-ui,sans-serif">'
    return f'{head}<rect width="{WIDTH}" height="{max(top, 1)}" fill="#fff"/>{"".join(parts)}</svg>\n'


def _charts(name: str, curves: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Line]]]:
    yield f"{name}: recall@50, by slice", curves["recall"]
    yield f"{name}: recall@50 minus the best retrain's ({curves['best']}), by slice", curves["difference"]
    if curves["cost"]:
        yield f"{name}: CPU seconds of a refresh, by events in the delta", {"CPU seconds": curves["cost"]}


def chart(title: str, lines: Mapping[str, Line], top: float) -> str:
    """One line chart whose y axis always shows zero."""
    xs = [x for line in lines.values() for x, _ in line] or [0.0]
    ys = [0.0, *(y for line in lines.values() for _, y in line)]
    first, wide = min(xs), (max(xs) - min(xs)) or 1.0
    low, tall = min(ys), (max(ys) - min(ys)) or 1.0

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - first) / wide

    def y(value: float) -> float:
        return top + HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / tall

    parts = [f'<text x="{LEFT}" y="{top + 18}" font-size="13" font-weight="600">{escape(title)}</text>']
    for value in sorted({low, 0.0, low + tall}):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#dadce0"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end" font-size="11">{value:.3g}</text>')
    parts += [
        f'<text x="{x(value):.1f}" y="{top + HEIGHT - 14}" text-anchor="middle" font-size="11">{value:g}</text>'
        for value in _apart(sorted(set(xs)), wide)
    ]
    for number, (name, line) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2.5" fill="{colour}"/>' for a, b in line]
        at = top + TOP + 12 + 16 * number
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{at}" fill="{colour}" font-size="12">{escape(name)}</text>')
    return "".join(parts)


def _apart(values: Sequence[float], wide: float) -> list[float]:
    """Those that can stand beside each other under the axis, from the left."""
    shown: list[float] = []
    for value in values:
        if not shown or value - shown[-1] >= wide / LABELS:
            shown.append(value)
    return shown
