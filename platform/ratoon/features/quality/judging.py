"""Log events as the rows that rules look at, and which rules each of them breaks. Knows neither pandera nor Feast.

A batch is compared by `checks.failures`; a server, which has a few events and no time, compares by `breaks`.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.duration import duration
from ratoon.domain.errors import DataError
from ratoon.domain.event import LOG_SCHEMA
from ratoon.features.folds.derive import convert
from ratoon.features.quality.ledger import Fault, Release, Spread
from ratoon.features.quality.measures import Rows, measure
from ratoon.features.quality.rules import BATCH, Rule
from ratoon.features.views import ARROW_TYPES, Origin, ViewField
from ratoon.ports import EventLog

Mask = npt.NDArray[np.bool_]
Compare = Callable[[Mapping[Rule, pa.Array]], dict[Rule, Mask]]
"""Measures of n rows -> for each rule which rows break it."""

FEWEST_IN_BATCH = 20
"""The share of missing values says nothing about fewer rows than this."""

ORIGINS: tuple[Origin, ...] = ("interaction", "user", "item")


def breaks(measured: Mapping[Rule, pa.Array]) -> dict[Rule, Mask]:
    """What `checks.failures` finds, for rules about single events, without pandera; rules about batches are passed over."""
    return {rule: _outside(rule, values) for rule, values in measured.items() if rule.kind not in BATCH}


def _outside(rule: Rule, values: pa.Array) -> Mask:
    if rule.kind == "one_of":
        inside = pc.is_in(values, value_set=pa.array(rule.allowed, pa.string()))
    else:
        inside = pc.and_(pc.greater_equal(values, rule.low), pc.less_equal(values, rule.high))
    wrong = pc.and_(pc.invert(inside), pc.is_valid(values)).fill_null(False)
    return np.asarray(wrong.to_numpy(zero_copy_only=False), np.bool_)


def judged(
    rules: Iterable[Rule],
    events: pa.Table,
    earlier: pa.Table,
    *,
    now: datetime,
    spreads: Mapping[str, Spread],
    releases: Iterable[Release],
    compare: Compare,
) -> dict[int, tuple[Fault, ...]]:
    """Offset -> what is wrong with that event; only events with something wrong.

    Args:
        events: n events to judge (LOG_SCHEMA).
        earlier: interactions before them of their users, for rates (LOG_SCHEMA).
        spreads: rule key -> what outliers are measured against.
        releases: a copy is exempt from the rules it was released from; an original that has a copy counts no more.
    """
    known = tuple(releases)
    exempt = {release.copy_id: release.rules for release in known}
    replaced = pa.array([release.offset for release in known], pa.int64())
    past = earlier.filter(pc.invert(pc.is_in(earlier.column("offset"), value_set=replaced)))
    found: dict[int, list[Fault]] = {}
    for origin in ORIGINS:
        mine = events.filter(pc.equal(events.column("kind"), origin)).combine_chunks()
        asked = [rule for rule in rules if rule.origin == origin]
        if not asked or not mine.num_rows:
            continue
        rows = Rows(columns(asked, mine), now, past.select(["user_id", "event_timestamp"]), spreads)
        enough = mine.num_rows >= FEWEST_IN_BATCH
        measured = {rule: measure(rule, rows) for rule in asked if enough or rule.kind not in BATCH}
        offsets, ids = (mine.column(name).to_pylist() for name in ("offset", "event_id"))
        for rule, mask in compare(measured).items():
            once = rule.kind in BATCH and rule.action == "warn"  # one line for the batch, not one for each of its rows
            for place in np.flatnonzero(mask)[: 1 if once else None]:
                if rule.key not in exempt.get(ids[place], ()):
                    reason = reasoned(rule, measured[rule], rows.columns, int(place))
                    found.setdefault(offsets[place], []).append(Fault(rule.view, rule.key, rule.action, reason))
    return {offset: tuple(faults) for offset, faults in sorted(found.items())}


def without(events: pa.Table, aside: Collection[int] | pa.Array) -> pa.Table:
    """The events (LOG_SCHEMA) that are not among the offsets `aside`."""
    apart = aside if isinstance(aside, pa.Array) else pa.array(sorted(aside), pa.int64())
    return events.filter(pc.invert(pc.is_in(events.column("offset"), value_set=apart)))


def interactions_before(log: EventLog, events: pa.Table, rules: Iterable[Rule]) -> pa.Table:
    """The earlier interactions of the users of `events`, where a rule about rates needs them."""
    users = events.filter(pc.equal(events.column("kind"), "interaction")).column("user_id").unique().drop_null().to_pylist()
    if not users or not any(rule.kind == "rate" for rule in rules):
        return LOG_SCHEMA.empty_table()
    history = log.history("user", sorted(users), upto=pc.min(events.column("offset")).as_py() - 1)
    return history.filter(pc.equal(history.column("kind"), "interaction"))


def columns(rules: Sequence[Rule], events: pa.Table) -> dict[str, pa.Array]:
    """The columns that `rules` look at, for events of one kind."""
    found = {name: _whole(events, name) for name in ("user_id", "type", "value", "event_timestamp", "created_timestamp")}
    if events.column("kind")[0].as_py() == "interaction":
        return found
    fields = {rule.field: ViewField(rule.field, rule.dtype) for rule in rules if rule.field}
    given, unfit = {name: list[object]() for name in fields}, list[int]()
    for text in events.column("features").to_pylist():
        features, wrong = json.loads(text or "{}"), 0
        for name, field in fields.items():
            try:
                given[name].append(convert(features.get(name), field))
            except DataError:
                given[name].append(None)
                wrong += 1
        unfit.append(wrong)
    own = {name: _typed(values, fields[name].dtype) for name, values in given.items()}
    return {**found, **own, "unfit": pa.array(unfit, pa.int64())}


def _typed(values: Sequence[object], dtype: str) -> pa.Array:
    if dtype.endswith("_LIST"):  # only whether it is there can be asked of a list
        return pa.array([None if value is None else True for value in values], pa.bool_())
    of = ARROW_TYPES[dtype]
    return pa.array(values, pa.int64()).cast(of) if pa.types.is_timestamp(of) else pa.array(values, of)


def _whole(events: pa.Table, name: str) -> pa.Array:
    column = events.column(name)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def reasoned(rule: Rule, measured: pa.Array, rows: Mapping[str, pa.Array], place: int) -> str:
    """What was found at one row, in words."""
    figure = measured[place].as_py()
    if rule.kind in BATCH:
        return f"{rule.field} is missing in {pc.mean(measured).as_py():.1%} of {len(measured)} rows, {rule.text} is asked"
    match rule.kind:
        case "range" | "one_of":
            return f"{rule.field} is {_plain(rows[rule.field][place].as_py())}, {rule.text} is asked"
        case "robust_z":
            value = _plain(rows[rule.field][place].as_py())
            return f"{rule.field} is {value}, {figure:.1f} robust deviations from the median, {rule.text} is asked"
        case "rate":
            return f"{figure:.0f} events of user {rows['user_id'][place].as_py()!r} in the window, {rule.text} is asked"
        case "not_before" | "not_after":
            side = "before" if figure < 0 else "after"
            return f"it happened at {_plain(rows['event_timestamp'][place].as_py())}, {duration(abs(figure))} {side} {rule.text}"
        case _:
            return f"{figure:.0f} of its values do not fit their type, {rule.text} is asked"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else repr(value)
