"""What the jobs ask of the other rooms: what waits for a surface's next release, and what its refreshes have kept."""

from collections.abc import Sequence

from ratoon.domain.errors import UsageError
from ratoon.domain.report import Run as Refreshed
from ratoon.jobs.attempt import Kept
from ratoon.jobs.due import Waiting
from ratoon.jobs.operations import Result
from ratoon.jobs.run import Run
from ratoon.wiring import House


def waiting(house: House, surface: str, runs: Sequence[Run] = ()) -> Waiting:
    """What waits for a surface's next release.

    Args:
        runs: among which its newest drift report is looked for, newest first.
    """
    current, end = house.registry(surface).current(), house.log.end()
    start = current.window.end if current else 0
    first = house.log.read(start, start + 1).column("created_timestamp").to_pylist()
    drift = None
    for run in runs:
        if run.surface == surface and run.do in ("refresh", "full") and run.verdict == "published":
            break
        if run.surface == surface and run.do == "drift" and "drift" in run.figures:
            drift = run.figures["drift"]
            break
    return Waiting(start, end, first[0] if first else None, house.log.now(), drift)


def kept(house: House, surface: str, result: Result) -> Kept:
    """What a refresh that has just ended kept of itself; nothing if the newest record is another one's.

    Of one that died, what it had pinned: the next one does the same over again.
    """
    if not result.verdict:
        pinned = house.registry(surface).pinned()
        if pinned is None:
            return Kept()
        current = house.registry(surface).current()
        return Kept(parent=current.id if current else "", window=(pinned.start, pinned.end))
    newest = house.registry(surface).runs.get("")
    if (newest.report.outcome, newest.report.release) != (result.verdict, result.release):
        return Kept()
    return Kept(newest.number, sum(newest.files.values()), newest.parent)


def record(house: House, run: Run) -> Refreshed | None:
    """What a run's refresh kept of itself; None if it is none, or that is not kept any more."""
    if not run.record or run.surface not in house.settings.surfaces:
        return None
    try:
        return house.registry(run.surface).runs.get(str(run.record))
    except UsageError:
        return None
