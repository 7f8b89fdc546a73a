"""Pictures as small as a table's cell, drawn on a scale that all cells of a column share."""

from collections.abc import Iterable


def bar(share: float, *, over: bool = False, limits: Iterable[float] = ()) -> str:
    """A bar from the left edge, with limits as broken lines through it.

    Args:
        share: its length, as a share of the cell's width.
        over: whether it is drawn as being beyond a limit.
        limits: shares of the width.
    """
    lines = "".join(_line(100 * limit, 0, 24, "limit") for limit in limits)
    colour = "bar over" if over else "bar"
    return _svg(f'<rect class="{colour}" x="0" y="7" width="{100 * min(max(share, 0.0), 1.0):.2f}" height="10"/>{lines}')


def interval(low: float, point: float, high: float, reach: float) -> str:
    """An interval with its point, around zero in the middle; red if all of it is below zero, green if above.

    Args:
        reach: the value at the right edge, and minus the one at the left; positive.
    """
    side = "span up" if low > 0 else "span down" if high < 0 else "span"

    def x(value: float) -> float:
        return 50 + 48 * value / reach

    span = f'<line class="{side}" vector-effect="non-scaling-stroke" x1="{x(low):.2f}" x2="{x(high):.2f}" y1="12" y2="12"/>'
    return _svg(_line(50, 0, 24, "axis") + span + _line(x(point), 6, 18, "point"))


def _line(x: float, top: float, bottom: float, name: str) -> str:
    return f'<line class="{name}" vector-effect="non-scaling-stroke" x1="{x:.2f}" x2="{x:.2f}" y1="{top}" y2="{bottom}"/>'


def _svg(parts: str) -> str:
    return f'<svg class="cell" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">{parts}</svg>'


def size(count: float) -> str:
    """Bytes in words, in powers of a thousand."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} GB" if count < 999.5 else f"{count:,.0f} GB"
