"""The loop as one picture: an HTML page with two inline SVG charts and the table behind them."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from ratoon import durable
from ratoon.bench.faults import Check
from ratoon.bench.loop import POLICIES, K, Slice
from ratoon.pictures import chart, section, sheet, table


def write(path: Path, world: str, slices: Sequence[Slice], checks: Iterable[Check], verdict: str) -> None:
    """Write the page to `path`."""
    ours_first = POLICIES[::-1]
    recalls = {policy: [one.recall[policy] for one in slices] for policy in ours_first}
    seconds = {policy: [one.cpu_seconds[policy] for one in slices] for policy in ours_first}
    rows = [
        [str(one.number), *(f"{one.recall[policy]:.3f} / {one.cpu_seconds[policy]:.1f} s" for policy in ours_first)]
        for one in slices
    ]
    seen = "".join(f"<li>{'held' if c.holds else 'FAILED'}: {escape(c.name)} ({escape(c.seen)})</li>" for c in checks)
    parts = [
        _drawn(f"recall@{K} on each slice, asked before it was learnt", slices, recalls),
        _drawn("CPU seconds spent on refreshing so far", slices, seconds),
        section("twelve", "Slice by slice", table(["slice", *map(escape, ours_first)], rows)),
        section("twelve", "What went wrong, on purpose", f"<ul>{seen}</ul>"),
    ]
    head = f"<header><h1>The loop on {escape(world)}</h1><p>{escape(verdict)}</p></header>"
    durable.write(path, sheet(f"Ratoon: the loop on {world}", f"{head}<main>{''.join(parts)}</main>").encode())


def _drawn(title: str, slices: Sequence[Slice], lines: Mapping[str, Sequence[float]]) -> str:
    labels = [str(one.number) for one in slices]
    return section("six", title, chart(title, labels, lines, width=530, height=240, from_zero=True))
