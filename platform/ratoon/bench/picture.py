"""The loop as one picture: an HTML page with two inline SVG charts and the table behind them."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from ratoon import durable
from ratoon.bench.faults import Check
from ratoon.bench.loop import POLICIES, K, Slice

COLOURS = {"never refreshed": "#9aa0a6", "full retrain": "#c5762b", "live popularity": "#6a8f3c", "Ratoon": "#1f5fbf"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 260, 60, 150, 28, 34

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Ratoon: the loop on {world}</title>
<style>body{{font:15px/1.45 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#202124}}
table{{border-collapse:collapse}}td,th{{padding:.2rem .8rem;text-align:right}}td:first-child,th:first-child{{text-align:left}}
svg{{max-width:100%;height:auto;display:block}}</style>
<h1>The loop on {world}</h1><p>{verdict}</p>
{recall}{cpu}
<table><tr><th>slice</th>{heads}</tr>{rows}</table><h2>What went wrong, on purpose</h2><ul>{checks}</ul></html>
"""


def write(path: Path, world: str, slices: Sequence[Slice], checks: Iterable[Check], verdict: str) -> None:
    """Write the page to `path`."""
    recalls = {policy: [one.recall[policy] for one in slices] for policy in POLICIES}
    seconds = {policy: [one.cpu_seconds[policy] for one in slices] for policy in POLICIES}
    rows = "".join(
        f"<tr><td>{one.number}</td>{''.join(f'<td>{one.recall[p]:.3f} / {one.cpu_seconds[p]:.1f} s</td>' for p in POLICIES)}</tr>"
        for one in slices
    )
    page = _PAGE.format(
        world=escape(world),
        verdict=escape(verdict),
        recall=chart(f"recall@{K} on each slice, asked before it was learnt", recalls),
        cpu=chart("CPU seconds spent on refreshing so far", seconds),
        heads="".join(f"<th>{escape(policy)}</th>" for policy in POLICIES),
        rows=rows,
        checks="".join(f"<li>{'held' if c.holds else 'FAILED'}: {escape(c.name)} ({escape(c.seen)})</li>" for c in checks),
    )
    durable.write(path, page.encode())


def chart(title: str, lines: Mapping[str, Sequence[float]]) -> str:
    """One line chart as SVG: a line per policy over the slices, from zero."""
    top = max((value for line in lines.values() for value in line), default=0.0) * 1.1 or 1.0
    count = max(len(line) for line in lines.values())

    def x(position: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (position / max(1, count - 1))

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    parts = [
        f'<text x="{LEFT}" y="18" font-weight="600">{escape(title)}</text>',
        *(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="#e8eaed"/>'
            f'<text x="{LEFT - 8}" y="{y(v) + 4:.1f}" text-anchor="end" font-size="12">{v:.3g}</text>'
            for v in (0.0, top / 2.2, top / 1.1)
        ),
        *(f'<text x="{x(i):.1f}" y="{HEIGHT - 12}" text-anchor="middle" font-size="12">{i + 1}</text>' for i in range(count)),
    ]
    for label_y, (policy, line) in zip(
        _labels({name: y(line[-1]) for name, line in lines.items() if line}), lines.items(), strict=True
    ):
        points = " ".join(f"{x(i):.1f},{y(value):.1f}" for i, value in enumerate(line))
        width = 3 if policy == "Ratoon" else 1.8
        parts.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[policy]}" stroke-width="{width}"/>')
        parts.append(
            f'<text x="{WIDTH - RIGHT + 8}" y="{label_y:.1f}" fill="{COLOURS[policy]}" font-size="13">{escape(policy)}</text>'
        )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _labels(ends: Mapping[str, float], gap: float = 15.0) -> list[float]:
    """Where each line's name goes: beside its end, pushed down where two would overlap."""
    placed: dict[str, float] = {}
    lowest = -gap
    for name, end in sorted(ends.items(), key=lambda pair: pair[1]):
        lowest = max(end + 4, lowest + gap)
        placed[name] = lowest
    return [placed[name] for name in ends]
