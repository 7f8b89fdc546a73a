"""What a job would do if it ran now: nothing is run, ingested or written."""

from dataclasses import dataclass
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.config import Job
from ratoon.domain.costs import estimate
from ratoon.domain.delta import FeatureDelta
from ratoon.domain.plan import RefreshPlan, decide
from ratoon.domain.release import Release
from ratoon.domain.report import COMPARED
from ratoon.domain.report import Run as Refreshed
from ratoon.domain.signals import Signals
from ratoon.jobs.book import Book
from ratoon.jobs.operations import OPERATIONS
from ratoon.wiring import House


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do.

    Attributes:
        command: the arguments of `ratoon`.
        plan, reason: what a refresh would most likely do, by what waits in the log alone: what came in other files, drift and
            changes of feature_repo/ are seen only by the refresh itself. Empty for other operations.
        rows, users, items: events that wait, and of how many different ones they are.
        minutes: by runs of the same kind before; None without one.
        max_rss: bytes, the most that the job's last runs needed; None without one.
    """

    job: str
    command: tuple[str, ...]
    plan: str = ""
    reason: str = ""
    rows: int = 0
    users: int = 0
    items: int = 0
    minutes: float | None = None
    max_rss: int | None = None


def preview(house: House, book: Book, name: str) -> Preview:
    """What a job would do now."""
    job = book.job(name)
    command = tuple(OPERATIONS[job.do].command(job))
    past = [run for run in book.ledger.of_job(name, COMPARED) if run.status in ("ok", "refused")]
    memory = max((run.max_rss for run in past), default=None)
    if job.do not in ("refresh", "full"):
        minutes = median(run.seconds for run in past) / 60 if past else None
        return Preview(name, command, minutes=minutes, max_rss=memory)
    events, plan = _planned(house, job)
    alike = [run for run in house.registry(job.surface).runs.all() if run.report.plan.scope == plan.scope][:COMPARED]
    seconds = estimate([_measured(run) for run in alike], events.num_rows)
    users, items = (pc.count_distinct(events.column(f"{one}_id")).as_py() for one in ("user", "item"))
    minutes = None if seconds is None else seconds / 60
    return Preview(name, command, plan.scope, plan.reason, events.num_rows, users, items, minutes, memory)


def _planned(house: House, job: Job) -> tuple[pa.Table, RefreshPlan]:
    current, end = house.registry(job.surface).current(), house.log.end()
    start = current.window.end if current else 0
    events = house.log.read(start, end)
    interactions = events.filter(pc.equal(events.column("kind"), "interaction"))
    touched = {item for item in events.column("item_id").to_pylist() if item is not None}
    removed = {str(item) for item in house.log.removed(start)}
    delta = FeatureDelta(interactions, tuple(sorted(touched - removed)), (), tuple(sorted(removed)))
    plan = decide(
        delta,
        has_parent=current is not None,
        schema_changed=False,
        recent_items=current.written_items if current else (),
        forced="full" if job.do == "full" else None,
        seen=_seen(house, events, current, end) if current else Signals(),
        policy=house.settings.plan.policy,
    )
    return events, plan


def _seen(house: House, events: pa.Table, current: Release, end: int) -> Signals:
    arrived = pc.min(events.column("created_timestamp")).as_py()
    waited = (house.log.now() - arrived).total_seconds() if arrived else 0.0
    return Signals(end - current.window.end, max(0.0, waited), end, current.taught)


def _measured(run: Refreshed) -> tuple[int, float]:
    return run.rows, sum(stage.seconds for stage in run.report.stages)
