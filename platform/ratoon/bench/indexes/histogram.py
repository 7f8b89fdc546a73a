"""How long searches took, as shares of a logarithmic scale, and as one picture."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

LOW, HIGH, STEPS = 0.02, 100.0, 60
"""Milliseconds of the first and the last edge, and how many bins lie between; what is beyond falls into the outermost."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 300, 56, 150, 34, 40
COLOURS = ("#9aa0a6", "#1f5fbf", "#c5762b")
FLOOR = 1e-5
"""The least share that is drawn: the y axis is logarithmic too, or tails would not be seen."""


def counted(seconds: Sequence[float]) -> list[float]:
    """The share of each of `STEPS` bins; zeros of nothing."""
    edges = np.geomspace(LOW, HIGH, STEPS + 1)
    inside = np.clip(1e3 * np.array(seconds), LOW, HIGH)
    counts = np.histogram(inside, edges)[0]
    shares: list[float] = np.round(counts / max(1, counts.sum()), 7).tolist()
    return shares


def picture(histograms: Mapping[str, Sequence[float]], title: str) -> str:
    """One SVG: a line of steps for each histogram, over milliseconds."""
    parts = [f'<text x="{LEFT}" y="20" font-size="13" font-weight="600">{escape(title)}</text>']
    for share in (1.0, 0.1, 1e-2, 1e-3, 1e-4, FLOOR):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(share):.1f}" y2="{_y(share):.1f}" stroke="#dadce0"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{_y(share) + 4:.1f}" text-anchor="end" font-size="11">{share:g}</text>')
    under = [(_x(ms), HEIGHT - 22, f"{ms:g}") for ms in (0.02, 0.1, 0.5, 1, 5, 10, 50, 100)]
    under.append(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "ms a search"))
    parts += [f'<text x="{x:.1f}" y="{y}" text-anchor="middle" font-size="11">{text}</text>' for x, y, text in under]
    for number, (name, shares) in enumerate(histograms.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{_steps(shares)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        at = TOP + 12 + 16 * number
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{at}" fill="{colour}" font-size="12">{escape(name)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui,sans-serif">'
    return f'{head}<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(parts)}</svg>\n'


def _steps(shares: Sequence[float]) -> str:
    edges = np.geomspace(LOW, HIGH, STEPS + 1)
    pairs = [(edge, share) for number, share in enumerate(shares) for edge in edges[number : number + 2]]
    return " ".join(f"{_x(edge):.1f},{_y(share):.1f}" for edge, share in pairs)


def _x(ms: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * float(np.log(ms / LOW) / np.log(HIGH / LOW))


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * float(np.log(max(share, FLOOR)) / np.log(FLOOR))
