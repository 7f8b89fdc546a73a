"""A replay as one picture: quality and cost of each policy, day by day, and the table behind them."""

from collections.abc import Sequence
from html import escape

from ratoon.bench.backtests.replay import Day, K
from ratoon.bench.backtests.told import Told
from ratoon.pictures import chart, section, sheet, table


def page(days: Sequence[Day], found: Sequence[Told]) -> str:
    """An HTML page that fetches nothing.

    Args:
        found: what is told of these days.
    """
    labels = [f"{day.begins:%d %b}" for day in days]
    recalls = {one.policy: one.days for one in found}
    spent = {one.policy: one.spent for one in found}
    heads = ["policy", f"recall@{K}", "95 %", "to the first", "CPU s", "of the first", "what it did"]
    parts = [
        section("six", f"recall@{K}, asked before it was learnt", chart("recall", labels, recalls, width=530, height=240)),
        section("six", "CPU seconds spent so far", chart("CPU seconds", labels, spent, width=530, height=240, from_zero=True)),
        section("twelve", "Quality against cost", table(heads, [_row(one) for one in found])),
    ]
    said = f"{len(days)} days, {found[0].questions:,} questions" if found else f"{len(days)} days without a question"
    head = f"<header><h1>Policies on history</h1><p>{said}</p></header>"
    return sheet("Ratoon: policies on history", f"{head}<main>{''.join(parts)}</main>")


def _row(one: Told) -> list[str]:
    did = ", ".join(f"{count} {name}" for name, count in one.scopes.items())
    beside = "" if one.difference is None else _bounds(one.difference.mean, one.difference.low, one.difference.high)
    alone = f"{one.recall.low:.4f} to {one.recall.high:.4f}"
    cells = [one.policy, f"{one.recall.mean:.4f}", alone, beside, f"{one.cpu_seconds:,.1f}", f"{one.share:.0%}", did]
    return [escape(cell) for cell in cells]


def _bounds(mean: float, low: float, high: float) -> str:
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"
