"""A surface's life since its last full retrain: how what it is worth falls, when the next retrain is due, and what was saved."""

from collections.abc import Sequence
from datetime import datetime
from html import escape

from ratoon.domain.lifecycle import Forecast, Life
from ratoon.domain.report import Run
from ratoon.domain.upkeep import Upkeep
from ratoon.pictures.cells import size
from ratoon.pictures.lines import chart
from ratoon.pictures.sheet import section, sheet, table
from ratoon.pictures.upkeep import upkeep


def life_page(life: Life, runs: Sequence[Run] = ()) -> str:
    """The whole page, with what each operation on a release last came to.

    Args:
        runs: of the surface, all that are kept, in any order.
    """
    since = life.since
    head = (
        f'<header><p class="soft small">Surface {escape(life.surface)}</p><h1>Life since {escape(began(life))}</h1>'
        f"{'' if life.points else f'<p>{escape(due(life))}</p>'}</header>"
    )
    parts = [section("twelve", f"Recall@{life.k} of each release on the window after it", curve(life))] if since else []
    parts += [section("twelve", "What it took, and what full retrains would have taken", spending(life))] if since else []
    parts += [section("twelve", _titled(run), upkeep(said)) for run, said in _newest(runs)]
    return sheet(f"Life of {life.surface}", f"{head}<main>{''.join(parts)}</main>")


def _newest(runs: Sequence[Run]) -> list[tuple[Run, Upkeep]]:
    """The newest run of each operation, the newest first."""
    found: dict[str, tuple[Run, Upkeep]] = {}
    for run in sorted(runs, key=lambda run: -run.number):
        if run.report.upkeep is not None:
            found.setdefault(run.report.upkeep.operation, (run, run.report.upkeep))
    return list(found.values())


def _titled(run: Run) -> str:
    operation = run.report.upkeep.operation if run.report.upkeep else ""
    return f"{operation}: {run.report.outcome}, run {run.number}, {run.finished:%Y-%m-%d}"


def began(life: Life) -> str:
    """What the curve begins with, in words."""
    if life.since is None:
        return "nothing: no release is known"
    what = "the full retrain" if life.since.scope == "full" else "the oldest run that is kept,"
    return f"{what} that made release {life.since.sequence}, {life.since.window.as_of:%Y-%m-%d %H:%M} UTC"


def due(life: Life) -> str:
    """The forecast, in words."""
    found = life.forecast
    if found is None:
        return f"No forecast: {life.why[0]}." if life.why else "No forecast."
    lost = f"{found.fallen:.1%} of recall is lost by the line" if found.slope < 0 else "Recall does not fall"
    when = f"{life.limit:.0%} will be on {_day(found.due)}" if found.due else f"{life.limit:.0%} will not be in years"
    never = found.earliest is None and found.latest is None
    return f"{lost}; {when}." if never else f"{lost}; {when} (95 % interval {_day(found.earliest)} to {_day(found.latest)})."


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "never"


def curve(life: Life) -> str:
    """Recall by release, with the line of the forecast and the level at which a retrain is due."""
    if not life.points:
        return '<p class="soft">No window has come since.</p>'
    labels = [str(point.sequence) for point in life.points]
    lines: dict[str, list[float | None]] = {
        "known users and items": [point.recall for point in life.points],
        "all": [point.overall for point in life.points],
    }
    if found := life.forecast:
        lines["line"] = [found.level + found.slope * point.days for point in life.points]
        lines["due"] = [found.level * (1 - life.limit)] * len(life.points)
    drawn = chart(f"Recall@{life.k} by release", labels, lines, width=1090, height=220)
    return f'{drawn}<p class="soft small">By number of the release. {escape(due(life))} {_slope(life.forecast)}</p>'


def _slope(found: Forecast | None) -> str:
    if found is None:
        return ""
    return f"A day costs {-found.slope:+.5f} of {found.level:.4f} (95 % interval {-found.high:+.5f} to {-found.low:+.5f})."


def spending(life: Life) -> str:
    """What was spent, by scope, and what it saved."""
    rows = [
        [
            one.scope,
            f"{one.runs:,}",
            f"{one.published:,}",
            f"{one.rows:,}",
            f"{one.seconds:,.1f}",
            f"{one.cpu_seconds:,.1f}",
            size(one.bytes),
        ]
        for one in life.spent
    ]
    drawn = table(["scope", "runs", "published", "rows", "seconds", "CPU s", "written"], rows) if rows else ""
    return f'{drawn}<p class="soft small">{escape(saving(life))}</p>'


def saving(life: Life) -> str:
    """What was saved, in words."""
    saved = life.saved
    if saved is None:
        return f"{life.why[-1][:1].upper()}{life.why[-1][1:]}." if life.why else ""
    signs = ["more" if figure < 0 else "less" for figure in (saved.cpu_seconds, saved.bytes)]
    first = "" if signs[0] == signs[1] else f" {signs[0]}"
    return (
        f"{saved.releases:,} releases were made otherwise: {abs(saved.cpu_seconds):,.1f} CPU seconds{first} and "
        f"{size(abs(saved.bytes))} {signs[1]} than by full retrains of "
        f"{saved.full_cpu_seconds:,.1f} CPU seconds and {size(saved.full_bytes)} each."
    )
