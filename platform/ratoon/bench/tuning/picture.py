"""A search as one picture: the best settings beside those that are set, slice by slice, and the lines to change."""

from html import escape

from ratoon.bench.tuning.told import Tuned
from ratoon.domain.intervals import Interval
from ratoon.pictures import chart, section, sheet, table
from ratoon.pictures.cells import interval


def page(found: Tuned) -> str:
    """An HTML page that fetches nothing."""
    labels = [f"slice {number}" for number in range(1, len(found.questions) + 1)]
    lines = {"set now": found.present, **({"best found": found.best} if found.best else {})}
    drawn = chart(f"recall@{found.k}", labels, lines, width=1090, height=220)
    told = '<p class="soft small">The last slice chose nothing: it judges what was best on the others.</p>'
    parts = (
        [section("twelve", f"recall@{found.k}, learnt up to a cut and asked about what came next", drawn + told)]
        if labels
        else []
    )
    if found.searched and found.judged:
        parts.append(section("seven", "The difference, users resampled", _differences(found.searched, found.judged)))
        parts.append(section("five", "What differs", _changed(found)))
    head = (
        f'<header class="{"good" if found.apply else "soft"}"><p class="soft small">Surface {escape(found.surface)} · '
        f"the log up to offset {found.end:,}</p><h1>Settings of training: {found.outcome}</h1>"
        f"<p>{found.tried} settings tried on every searched slice and {found.dropped} dropped before, "
        f"in {found.seconds:,.0f} seconds</p></header>"
    )
    return sheet(f"Settings tried for {found.surface}", f"{head}<main>{''.join(parts)}</main>")


def _differences(searched: Interval, judged: Interval) -> str:
    pairs = {"slices that it was chosen by": searched, "newest slice": judged}
    reach = max(abs(end) for one in pairs.values() for end in (one.low, one.mean, one.high)) or 1.0
    rows = [
        [name, f"{one.mean:+.4f}", interval(one.low, one.mean, one.high, reach), f"{one.low:+.4f}", f"{one.high:+.4f}"]
        for name, one in pairs.items()
    ]
    return table(["", "difference", "95 % interval", "from", "to"], rows)


def _changed(found: Tuned) -> str:
    rows = [[escape(name), f"{now:g}", f"{value:g}"] for name, (now, value) in sorted(found.changed.items())]
    advice = "To be put into ratoon.toml." if found.apply else "Not to be applied: on the newest slice it is no better."
    return table(["[training]", "now", "best found"], rows) + f'<p class="soft small">{advice}</p>'
