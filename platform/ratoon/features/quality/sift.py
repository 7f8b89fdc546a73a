"""Judges what the log has that was not judged before, ahead of every fold."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.features.quality.checks import failures
from ratoon.features.quality.judging import columns, interactions_before, judged, without
from ratoon.features.quality.ledger import Fault, Ledger, Sifted, Spread, entry
from ratoon.features.quality.measures import FEWEST, numbers, spread
from ratoon.features.quality.rules import Rule
from ratoon.ports import EventLog, WholeLog

RECENT = 20_000
"""Outliers are measured against the accepted ones among this many newest events."""


@dataclass(frozen=True, slots=True)
class SiftedEvents:
    """What one sifting did.

    Attributes:
        events: how many were judged.
        quarantined, warned: how many of them were put aside, and were let pass with something wrong.
    """

    events: int
    quarantined: int
    warned: int


def sift(rules: Sequence[Rule], log: WholeLog, folder: Path) -> SiftedEvents:
    """Judge the log's events beyond the last sifting; safe to repeat and to kill.

    Args:
        folder: `features/quarantine`.

    Raises:
        DataError: a rule that blocks is broken; nothing of the batch was written down or goes on.
    """
    ledger = Ledger(folder)
    with ledger.only_one():
        bring_back(log, ledger)
        before, end = ledger.sifted(), log.end()
        if end <= before.offset:
            return SiftedEvents(0, 0, 0)
        aside = set(ledger.aside())
        now = log.now(lambda newest: without(newest, aside))
        events = without(log.read(before.offset, end), aside)
        found = judged(
            rules,
            events,
            interactions_before(log, events, rules),
            now=now,
            spreads={rule.key: _reference(rule, log, before, end, aside) for rule in _robust(rules)},
            releases=ledger.releases(),
            compare=failures,
        )
        _stop_if_blocked(found, before.offset, end)
        wrong = events.filter(pc.is_in(events.column("offset"), value_set=pa.array(list(found), pa.int64()))).to_pylist()
        entries = [entry(event, now, found[event["offset"]]) for event in wrong]
        quarantined = {one.offset for one in entries if one.aside}
        spreads = {rule.key: _spread(rule, log, end, aside | quarantined) for rule in _robust(rules)}
        ledger.record(before.offset, Sifted(end, spreads), entries)
    return SiftedEvents(events.num_rows, len(quarantined), len(entries) - len(quarantined))


def bring_back(log: EventLog, ledger: Ledger) -> int:
    """Append what was released to the log again, dated now; how many events that were not there yet.

    The log takes each copy once by its id, so that a run that was killed in between can be repeated.
    """
    back = 0
    for path, releases in ledger.pending():
        copies = {release.offset: release.copy_id for release in releases}
        originals = log.read(min(copies) - 1, max(copies))
        originals = originals.filter(pc.is_in(originals.column("offset"), value_set=pa.array(list(copies), pa.int64())))
        ids = pa.array([copies[offset] for offset in originals.column("offset").to_pylist()], pa.string())
        again = originals.set_column(originals.column_names.index("event_id"), EVENT_SCHEMA.field("event_id"), ids)
        back += log.append(again.select(EVENT_SCHEMA.names)).num_rows
        ledger.came_through(path)
    return back


def _robust(rules: Iterable[Rule]) -> list[Rule]:
    return [rule for rule in rules if rule.kind == "robust_z" and rule.origin != "foreign"]


def _reference(rule: Rule, log: EventLog, before: Sifted, end: int, aside: Collection[int]) -> Spread:
    """What was accepted until now; where that is too little, the batch itself counts too: half of it can be wrong."""
    known = before.spreads.get(rule.key)
    return known if known and known.rows >= FEWEST else _spread(rule, log, end, aside)


def _spread(rule: Rule, log: EventLog, end: int, aside: Collection[int]) -> Spread:
    """Median and scale of the rule's column among recent events, without those put aside."""
    events = without(log.read(max(0, end - RECENT), end), aside)
    events = events.filter(pc.equal(events.column("kind"), rule.origin))
    return spread(numbers(columns([rule], events)[rule.field])) if events.num_rows else Spread(0.0, 0.0, 0)


def _stop_if_blocked(found: Mapping[int, tuple[Fault, ...]], start: int, end: int) -> None:
    blocking = [(offset, fault) for offset, faults in found.items() for fault in faults if fault.action == "block"]
    if not blocking:
        return
    reasons = list(dict.fromkeys(f"view {fault.view!r}: {fault.reason}" for _, fault in blocking))
    first, last = (pick(offset for offset, _ in blocking) for pick in (min, max))
    raise DataError(
        f"events {start + 1} to {end}",
        expected="a batch that breaks no rule which blocks",
        found="; ".join(reasons[:5]) + (f"; {len(reasons) - 5} more" if len(reasons) > 5 else ""),
        fix=f"`ratoon quarantine put {first}:{last}` sets the events aside; or mark the rule `warn` in feature_repo/.",
    )
