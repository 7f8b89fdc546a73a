"""How a surface ages between full retrains: what releases were worth, when the next one is due, what not retraining saved.

Each release is judged by the window after it, before anything has learnt that (Dawid 1984, prequential). That falls as a model
ages, and also where a window is harder than those before it: the curve is of both, as is what users saw.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor, sqrt
from statistics import median

import numpy as np
import numpy.typing as npt

from ratoon.domain.costs import estimate
from ratoon.domain.plan import SCOPES, Scope
from ratoon.domain.quality import CERTAIN
from ratoon.domain.release import Release
from ratoon.domain.report import Run
from ratoon.domain.window import Window

Floats = npt.NDArray[np.float64]

DAY = timedelta(days=1)

FEWEST = 30
"""Questions of a window, with fewer of which its recall is drawn but forecasts nothing."""

POINTS = 4
"""Windows of which a line can be drawn whose slope has bounds at 95 %: of three there are too few pairs."""

HORIZON = 3_650.0
"""Days beyond which a fall is as good as none."""


@dataclass(frozen=True, slots=True)
class Since:
    """What the curve begins with: the newest full retrain, or the oldest run that is kept where that is longer ago."""

    sequence: int
    release: str
    scope: str
    window: Window


@dataclass(frozen=True, slots=True)
class Point:
    """What one release was worth on the window after it.

    Attributes:
        sequence: of the release.
        at: when the newest event of the window arrived; `days` after the retrain had seen its last one.
        rows: questions of users and items that the release knew; recall of those, with its 95 % interval.
        overall: recall of all questions.
    """

    sequence: int
    at: datetime
    days: float
    rows: int
    recall: float
    low: float
    high: float
    overall: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """When recall will have fallen by a share of what it was.

    Attributes:
        level: recall just after the retrain, by the line.
        slope: of recall, a day; `low` and `high` its 95 % bounds.
        fallen: the share of `level` that is lost at the newest window, by the line.
        due: when the share reaches the limit; None if recall does not fall, or not within HORIZON days.
        earliest, latest: the same by the bounds.
    """

    level: float
    slope: float
    low: float
    high: float
    fallen: float
    due: datetime | None
    earliest: datetime | None
    latest: datetime | None


@dataclass(frozen=True, slots=True)
class Spent:
    """What the runs of a scope took.

    Attributes:
        rows: interactions that features were joined to.
        seconds: by the clock; cpu_seconds: of CPU.
        bytes: that its releases wrote.
    """

    scope: Scope
    runs: int
    published: int
    rows: int
    seconds: float
    cpu_seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Saved:
    """What it would have taken more to make each release since by a full retrain; below 0 where it would have taken less.

    Attributes:
        releases: how many were made otherwise.
        full_cpu_seconds: of the newest of those retrains, by what full ones have taken.
        full_bytes: of the release of one.
    """

    releases: int
    full_cpu_seconds: float
    full_bytes: int
    cpu_seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class Life:
    """A surface since its last full retrain.

    Attributes:
        k: the depth of recall.
        limit: the share of recall whose loss the plan has the shared layers learn for.
        why: why there is no forecast, or no saving; empty where both are there.
    """

    surface: str
    k: int
    limit: float
    since: Since | None
    points: tuple[Point, ...]
    forecast: Forecast | None
    spent: tuple[Spent, ...]
    saved: Saved | None
    why: tuple[str, ...]


def life(surface: str, runs: Sequence[Run], releases: Iterable[Release], limit: float) -> Life:
    """All of it.

    Args:
        runs: of the surface, all that are kept, in any order.
        releases: of the surface, those that are kept; they know of retrains that were tried first, which no run published.
        limit: the share of recall that may be lost, above 0.
    """
    line = sorted(runs, key=lambda run: run.number)
    since = _since(line, releases)
    if since is None:
        return Life(surface, 0, limit, None, (), None, (), None, ("no release was made by a run that is kept",))
    began = max((run.number for run in line if _made(run, since)), default=0)
    after = [run for run in line if run.number > began]
    points = tuple(_points(after, since.window))
    forecast, doubt = _forecast(points, since.window.as_of, limit)
    spent = tuple(one for scope in SCOPES if (one := _spent(scope, after)) is not None)
    saved = _saved(line, after)
    unknown = "" if saved else "what a full retrain takes is not known: no run of one is kept"
    k = next((run.report.truth.k for run in reversed(after) if run.report.truth), 0)
    return Life(surface, k, limit, since, points, forecast, spent, saved, tuple(filter(None, (doubt, unknown))))


def _since(line: Sequence[Run], releases: Iterable[Release]) -> Since | None:
    made = [Since(one.sequence, one.id, "full", one.window) for one in releases if one.scope == "full"]
    published = [
        Since(run.report.sequence, run.report.release, run.report.plan.scope, run.report.window)
        for run in line
        if run.report.outcome == "published" and run.report.window
    ]
    made += [one for one in published if one.scope == "full"]
    return max(made, key=lambda one: one.sequence) if made else next(iter(published), None)


def _made(run: Run, since: Since) -> bool:
    report = run.report
    window = report.window.end if report.window else 0
    return report.outcome in ("published", "tried") and report.plan.scope == since.scope and window == since.window.end


def _points(after: Sequence[Run], since: Window) -> list[Point]:
    """A point per release, by the last that is known of it: a window that was refused is looked at again, and has grown."""
    found: dict[str, Point] = {}
    for run in after:
        report = run.report
        if report.truth is None or report.window is None or report.window.start < since.end:
            continue
        known, every = report.truth.slices.get("warm"), report.truth.slices.get("all")
        if known and every:
            sequence = report.sequence - (report.outcome == "published")
            days = (report.window.as_of - since.as_of) / DAY
            figures = (known.rows, known.recall, known.low, known.high, every.recall)
            found[run.parent] = Point(sequence, report.window.as_of, days, *figures)
    return list(found.values())


def _forecast(points: Sequence[Point], began: datetime, limit: float) -> tuple[Forecast | None, str]:
    told = [point for point in points if point.rows >= FEWEST]
    if len(told) < POINTS:
        return None, f"{len(told)} windows with at least {FEWEST} questions since then; a forecast takes {POINTS}"
    days, recalls = np.array([point.days for point in told]), np.array([point.recall for point in told])
    if not days.max() > days.min():
        return None, "all windows since then end at one moment"
    slope, low, high = theil_sen(days, recalls)
    middle = float(np.median(days)), float(np.median(recalls))
    level = middle[1] - slope * middle[0]
    if level <= 0:
        return None, "the line begins at no recall at all"
    due, earliest, latest = (_reached(middle, steep, limit, began) for steep in (slope, low, high))
    return Forecast(level, slope, low, high, -slope * float(days.max()) / level, due, earliest, latest), ""


def theil_sen(x: Floats, y: Floats) -> tuple[float, float, float]:
    """The median of the slopes between all pairs of points, and its 95 % bounds.

    It stands where up to 29 % of the points are anything at all. Theil (1950), Sen (1968), Journal of the American Statistical
    Association 63:324, 1379-1389; the bounds by the normal approximation of Kendall's statistic, as there.

    Args:
        x: at least two different ones; shape (n,).
        y: shape (n,).
    """
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] != x[first]
    slopes = np.sort((y[second] - y[first])[apart] / (x[second] - x[first])[apart])
    count, n = len(slopes), len(x)
    reach = CERTAIN * sqrt(n * (n - 1) * (2 * n + 5) / 18)
    lowest, highest = max(0, floor((count - reach) / 2) - 1), min(count - 1, ceil((count + reach) / 2))
    return float(np.median(slopes)), float(slopes[lowest]), float(slopes[highest])


def _reached(middle: tuple[float, float], slope: float, limit: float, began: datetime) -> datetime | None:
    """When a line through a point has lost a share of what it began with."""
    level = middle[1] - slope * middle[0]
    days = limit * level / -slope if slope < 0 < level else HORIZON
    return began + timedelta(days=days) if days < HORIZON else None


def _spent(scope: Scope, after: Sequence[Run]) -> Spent | None:
    runs = [run for run in after if run.report.plan.scope == scope]
    if not runs:
        return None
    published = sum(run.report.outcome == "published" for run in runs)
    seconds = sum(stage.seconds for run in runs for stage in run.report.stages)
    cpu, size = sum(run.report.cpu_seconds for run in runs), sum(sum(run.files.values()) for run in runs)
    return Spent(scope, len(runs), published, sum(run.rows for run in runs), seconds, cpu, size)


def _saved(line: Sequence[Run], after: Sequence[Run]) -> Saved | None:
    """A retrain takes what the log's length makes of it: by a line through all that are known, or as much as the one that is."""
    fulls = [run for run in line if run.report.plan.scope == "full" and run.report.window and run.report.verdict]
    sizes = [sum(run.files.values()) for run in fulls if run.files]
    if not fulls or not sizes:
        return None
    known = [(run.report.window.end, run.report.cpu_seconds) for run in fulls if run.report.window]
    others = [run for run in after if run.report.plan.scope != "full"]
    made = [run.report.window.end for run in others if run.report.outcome == "published" and run.report.window]
    asked = [estimate(known, end) or 0.0 for end in made]
    each, size = estimate(known, max(made, default=known[-1][0])) or 0.0, round(median(sizes))
    spent, written = sum(run.report.cpu_seconds for run in others), sum(sum(run.files.values()) for run in others)
    return Saved(len(made), each, size, sum(asked) - spent, size * len(made) - written)
