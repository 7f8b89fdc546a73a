"""What followed: exposures joined to later interactions by request id, and how many of these can be told apart so.

Only what names its request id can be joined. A client that does not pass it on, a request that was not in the sample, an
exposure that was lost: each shows in the coverage, and none is guessed from times and users.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.event import TIME
from ratoon.ports import EventLog
from ratoon.serving.exposures.exposure import Kept

EVENT = pa.struct([("type", pa.string()), ("value", pa.float64()), ("event_timestamp", TIME)])

POSITION_SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("time", TIME, nullable=False),
        pa.field("user_id", pa.string()),
        pa.field("release", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("propensity", pa.float64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
        pa.field("events", pa.list_(EVENT), nullable=False),
    ]
)
"""One row per position that was shown, `position` from 1; `events` are the interactions that followed, oldest first."""

Followed = dict[tuple[str, str], list[dict[str, Any]]]
"""Request and item -> the interactions that followed: `type`, `value` and `event_timestamp` of each."""

_PAGE = 50_000
"""Offsets of the event log read at once."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what happened the log can speak of.

    Attributes:
        known: the share of the surface's interactions since its oldest exposure whose request id is in the log.
        unknown: those with another one: not in the sample, lost, forgotten, or not of this server.
        missing: those without any.
        interactions: how many these three are shares of.
        elsewhere: the share of the known whose item was not in the answer they name.
        answered: the share of exposures that any interaction names.
        exposures: how many that is a share of.
        sampled: the share of requests that is logged, on average over what is logged; None without exposures.
    """

    known: float
    unknown: float
    missing: float
    interactions: int
    elsewhere: float
    answered: float
    exposures: int
    sampled: float | None


def interactions_since(log: EventLog, since: datetime, surface: str) -> pa.Table:
    """A surface's interactions that arrived at or after a moment, by offset: `request_id`, `item_id`, `type`, `value`, times.

    An event without a surface counts for every one.
    """
    names = ["request_id", "item_id", "type", "value", "event_timestamp", "created_timestamp"]
    end, parts = log.end(), []
    for start in range(offset_at(log, since) - 1, end, _PAGE):
        events = log.read(start, min(start + _PAGE, end))
        ours = pc.or_kleene(pc.is_null(events.column("surface")), pc.equal(events.column("surface"), surface))
        fresh = pc.greater_equal(events.column("created_timestamp"), pa.scalar(since, TIME))
        interaction = pc.equal(events.column("kind"), "interaction")
        parts.append(events.filter(pc.and_(pc.and_(interaction, fresh), ours)).select(names))
    return pa.concat_tables(parts) if parts else log.read(end, end).select(names)


def offset_at(log: EventLog, moment: datetime) -> int:
    """The first offset that arrived at or after a moment, or an earlier one; one more than the last if none did."""
    low, high = 1, log.end() + 1
    while low < high:
        middle = (low + high) // 2
        arrived = log.read(middle - 1, middle).column("created_timestamp").to_pylist()
        # A log without what was put aside does not say when that arrived: the search goes on where it can miss nothing.
        if arrived and arrived[0] < moment:
            low = middle + 1
        else:
            high = middle
    return low


def followed(exposures: Sequence[Kept], interactions: pa.Table, horizon: timedelta) -> Followed:
    """The interactions that named an exposure's request within `horizon` after it, oldest first.

    What names a request came after its answer, whatever its clock says, so that only what is later is looked at.

    Args:
        interactions: as `interactions_since` gives them.
    """
    ends = {one.request_id: one.time + horizon for one in exposures}
    wanted = pc.is_in(interactions.column("request_id"), value_set=pa.array(list(ends), pa.string()))
    found: Followed = {}
    for event in interactions.filter(wanted).sort_by("event_timestamp").to_pylist():
        if event["event_timestamp"] <= ends[event["request_id"]]:
            told = {name: event[name] for name in ("type", "value", "event_timestamp")}
            found.setdefault((event["request_id"], event["item_id"]), []).append(told)
    return found


def joined(exposures: Sequence[Kept], interactions: pa.Table, horizon: timedelta) -> pa.Table:
    """Every position that was shown with what followed on its item, as POSITION_SCHEMA; see `followed`."""
    events = followed(exposures, interactions, horizon)
    rows = [
        (one.request_id, one.time, one.user_id, one.release, one.source, place, item, score, propensity, one.share,
         events.get((one.request_id, item), ()))
        for one in exposures
        for place, (item, score, propensity) in enumerate(zip(one.items, one.scores, one.propensities, strict=True), 1)
    ]  # fmt: skip
    columns = list(zip(*rows, strict=True)) or [()] * len(POSITION_SCHEMA)
    arrays = [pa.array(column, one.type) for column, one in zip(columns, POSITION_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=POSITION_SCHEMA)


def coverage(exposures: Iterable[Kept], interactions: pa.Table) -> Coverage:
    """How much of what happened these exposures can speak of.

    Args:
        exposures: all that a surface's log holds.
        interactions: all since the oldest of them, as `interactions_since` gives them.
    """
    named: dict[str | None, list[str]] = {}
    for request, item in zip(*(interactions.column(name).to_pylist() for name in ("request_id", "item_id")), strict=True):
        named.setdefault(request, []).append(item)
    missing, total = len(named.pop(None, ())), interactions.num_rows
    shown = answered = known = elsewhere = 0
    requests = 0.0
    for one in exposures:
        shown += 1
        requests += 1 / one.share
        if items := named.get(one.request_id):
            answered, known = answered + 1, known + len(items)
            elsewhere += sum(item not in one.items for item in items)
    return Coverage(
        known=_share(known, total),
        unknown=_share(total - missing - known, total),
        missing=_share(missing, total),
        interactions=total,
        elsewhere=_share(elsewhere, known),
        answered=_share(answered, shown),
        exposures=shown,
        sampled=shown / requests if shown else None,
    )


def _share(some: int, of: int) -> float:
    return some / of if of else 0.0
