"""An operation as a section of its run's page: what was tried, what was taken, what it saved and what it costs."""

from html import escape

from ratoon.domain.upkeep import Figures, Upkeep
from ratoon.pictures.cells import interval, size
from ratoon.pictures.lines import chart
from ratoon.pictures.sheet import table


def upkeep(said: Upkeep) -> str:
    """The section's contents."""
    asked = ", ".join(f"{name} {value}" for name, value in said.settings.items() if value not in (None, ""))
    parts = [f"<p>{escape(said.choice)}</p>", f'<p class="soft small">{escape(asked)}; of release {said.source[:12]}</p>']
    if said.notes:
        parts.append(f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in said.notes)}</ul>")
    if said.before and said.after:
        parts.append(_figures(said.before, said.after))
    if len(said.curve) > 1:
        parts.append(_curve(said))
    parts.append(_recall(said))
    return "".join(parts)


def _figures(before: Figures, after: Figures) -> str:
    rows = [
        ["bytes on disk", size(before.disk), size(after.disk), _share(before.disk, after.disk)],
        ["bytes in memory", size(before.memory), size(after.memory), _share(before.memory, after.memory)],
        ["user tower, us of CPU", f"{before.tower_us:.1f}", f"{after.tower_us:.1f}", _share(before.tower_us, after.tower_us)],
        ["search, us of CPU", f"{before.search_us:.1f}", f"{after.search_us:.1f}", _share(before.search_us, after.search_us)],
    ]
    return table(["", "before", "after", "share"], rows)


def _share(before: float, after: float) -> str:
    return f"{after / before:.3f}" if before else "–"


def _curve(said: Upkeep) -> str:
    whole = max(point.bytes for point in said.curve) or 1
    lines = {
        "recall": [point.recall for point in said.curve],
        "size": [point.bytes / whole for point in said.curve],
    }
    marks = {place: "chosen" for place, point in enumerate(said.curve) if point.chosen}
    drawn = chart("Size against recall", [point.name for point in said.curve], lines, width=900, height=220, marks=marks)
    return drawn + '<p class="soft small">Recall of fit rows relative to the source; size relative to the largest.</p>'


def _recall(said: Upkeep) -> str:
    every = [one for slices in said.recall.values() for one in slices.values() if one.rows]
    reach = max((abs(end) for one in every for end in (one.low, one.difference, one.high)), default=0.0) or 1.0
    rows = [
        [
            f"recall@{k}, {escape(name)}",
            f"{one.rows:,}",
            f"{one.parent:.4f}",
            f"{one.candidate:.4f}",
            f"{one.difference:+.4f}",
            interval(one.low, one.difference, one.high, reach),
        ]
        for k, slices in said.recall.items()
        for name, one in slices.items()
        if one.rows
    ]
    return table(["", "rows", "before", "after", "difference", "95 % interval"], rows)
