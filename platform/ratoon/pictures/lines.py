"""Line charts."""

import math
from collections.abc import Mapping, Sequence
from html import escape

LEFT, TOP, BOTTOM = 44, 24, 24
LETTER = 7.5
"""About the width of a letter of a line's name."""

LABELS = 14
"""Most labels under the horizontal axis."""

ALIKE, TINY = 1e-4, 1e-300
"""The share of values that their labels cannot tell apart; what logarithms cannot take."""

Points = Sequence[float | None]
"""A line's values from left to right; None where there is none."""


def chart(
    title: str,
    labels: Sequence[str],
    lines: Mapping[str, Points],
    *,
    width: int,
    height: int,
    from_zero: bool = False,
    marks: Mapping[int, str] | None = None,
) -> str:
    """A line per name, drawn in the order and colours s1, s2, ..., each named at its right end.

    Args:
        labels: under each position; some are left out where they would run into each other.
        from_zero: whether the scale begins at zero; else it begins just below the least value.
        marks: position -> a word that stands above it.
    """
    known = [value for line in lines.values() for value in line if value is not None]
    ticks = nice(0.0 if from_zero else min(known, default=0.0), max(known, default=1.0))
    count, right = len(labels), width - min(20 + LETTER * max(map(len, lines), default=0), width / 3)

    def x(position: int) -> float:
        return LEFT + (right - LEFT) * (position / (count - 1) if count > 1 else 0.5)

    def y(value: float) -> float:
        return height - BOTTOM - (height - TOP - BOTTOM) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{right:.1f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.4g}</text>'
        for tick in ticks
    ]
    every = math.ceil(count / LABELS)
    parts += [_text(x(at), height - 6, labels[at], width) for at in range(count) if (count - 1 - at) % every == 0]
    for at, word in (marks or {}).items():
        parts.append(f'<line class="grid" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        parts.append(_text(x(at), TOP - 10, word, width))
    for number, line in enumerate(lines.values(), 1):
        points = [(x(at), y(value), f"{labels[at]}: {value:.4g}") for at, value in enumerate(line) if value is not None]
        parts.append(_drawn(points, number))
    ends = {name: y(last) for name, line in lines.items() if (last := _last(line)) is not None}
    colours = {name: number for number, name in enumerate(lines, 1)}
    parts += [
        f'<text class="name d{colours[name]}" x="{right + 10:.1f}" y="{place + 4:.1f}">{escape(name)}</text>'
        for name, place in apart(ends).items()
    ]
    named = f'role="img" aria-label="{escape(title)}"'
    return f'<svg class="chart" viewBox="0 0 {width} {height}" {named}>{"".join(parts)}</svg>'


def nice(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers in equal steps, the first not above `low` and the last not below `high`; at least two.

    Steps of 1, 2 or 5 times a power of ten, by Heckbert, Nice numbers for graph labels (Graphics Gems, 1990).
    """
    size = max(abs(low), abs(high))
    span = high - low if high - low > ALIKE * size else size
    span = span if span > TINY else 1.0
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(unit * power for unit in (1, 2, 5, 10) if unit * power >= span / about * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def apart(ends: Mapping[str, float], gap: float = 15.0) -> dict[str, float]:
    """Names and where they would stand, from the top down, each pushed down as far as the one above it asks."""
    placed: dict[str, float] = {}
    for name, end in sorted(ends.items(), key=lambda pair: pair[1]):
        placed[name] = max(end, max(placed.values(), default=end - gap) + gap)
    return placed


def _drawn(points: Sequence[tuple[float, float, str]], number: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    dots = points if len(points) <= 2 * LABELS else points[-1:]
    return f'<polyline class="curve s{number}" points="{path}"/>' + "".join(
        f'<circle class="d{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{escape(says)}</title></circle>' for x, y, says in dots
    )


def _last(line: Points) -> float | None:
    return next((value for value in reversed(line) if value is not None), None)


def _text(x: float, y: float, words: str, width: int) -> str:
    """Words around `x`, or as near to it as they are inside of the picture."""
    half = LETTER * len(words) / 2
    x = max(half, min(x, width - half))
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(words)}</text>'
