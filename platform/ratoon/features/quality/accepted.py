"""The event log without what is quarantined: what every fold, join and lesson reads.

It is `ports.EventLog`. In a refresh nothing beyond what has been sifted is read (`sifted_only`). A server cannot wait for
that: it judges newer events on the spot, by every rule about single events, the rate included; what outliers are
measured against comes from the last sifting.

A surface sees it by its types: other interactions have happened, but nobody has had an item by them (`LabelPolicy.types`).
"""

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.labels import Types
from ratoon.domain.schema import Entity
from ratoon.features.quality import rules
from ratoon.features.quality.judging import breaks, interactions_before, judged, without
from ratoon.features.quality.ledger import Ledger, Release, Sifted
from ratoon.features.quality.rules import Rule
from ratoon.ports import EventLog, WholeLog


def arrived(log: EventLog, end: int) -> datetime | None:
    """When the newest of the events that `log` shows up to `end` arrived; None without one."""
    wide = 1
    while True:
        newest = log.read(max(0, end - wide), end).column("created_timestamp")
        if len(newest):
            moment: datetime = newest[-1].as_py()
            return moment
        if wide >= end:
            return None
        wide *= 8


@dataclass(frozen=True, slots=True)
class _Known:
    """What the files said when they were last read, and their stamps then."""

    stamp: object
    rules: tuple[Rule, ...]
    sifted: Sifted
    aside: pa.Array
    releases: tuple[Release, ...]


@dataclass
class _Memory:
    """What was found out before; shared by all views of one log, so that an event is judged once for all surfaces."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    read: _Known | None = None
    judged: tuple[object, int, list[int]] | None = None


@dataclass
class Accepted:
    """A log seen through a quarantine. Threads may share it; `dataclasses.replace` makes another view of it cheaply.

    Attributes:
        folder: `features/` of the home: the rules and the quarantine.
        sifted_only: stop at what has been sifted.
        types: the interactions that `seen`, `seen_by`, `recent` and `popular` are about.
    """

    log: WholeLog
    folder: Path
    sifted_only: bool = False
    types: Types = None
    _memory: _Memory = field(default_factory=_Memory, repr=False)
    _present: tuple[object, datetime] | None = field(default=None, init=False, repr=False)
    _popular: tuple[object, list[tuple[str, int]]] | None = field(default=None, init=False, repr=False)

    def read(self, after: int, upto: int | None = None) -> pa.Table:
        """Accepted events with after < offset <= upto, by offset (LOG_SCHEMA)."""
        return self._accepted(self.log.read(after, self._upto(upto)))

    def end(self) -> int:
        """The newest offset that may be read; the events up to it may all be quarantined."""
        return min(self.log.end(), self._known().sifted.offset) if self.sifted_only else self.log.end()

    def now(self) -> datetime:
        """The present by the configured clock, which no quarantined event moves."""
        if self.log.clock == "wall":
            return self.log.now()
        state = self._known().stamp, self.end()
        if self._present is None or self._present[0] != state:
            self._present = state, self.log.now(self._readable)
        return self._present[1]

    def edition(self) -> object:
        """Another one when events were put aside or let back in, or rules changed."""
        return self._known().stamp, self.log.edition()

    def history(self, entity: Entity, ids: Sequence[str], upto: int | None = None, after: int = 0) -> pa.Table:
        """All accepted events of these users or items with after < offset <= upto (LOG_SCHEMA), in the log's order."""
        return self._accepted(self.log.history(entity, ids, self._upto(upto), after))

    def append(self, events: pa.Table) -> pa.Table:
        """As the log itself; what is appended is judged later."""
        return self.log.append(events)

    def known(self, event_ids: Sequence[str]) -> pa.Table:
        """As the log itself: what it acknowledged it knows."""
        return self.log.known(event_ids)

    def seen(self, user_id: str, before: int | None = None) -> list[str]:
        """As the log itself, by `types`: what a person had they had, even if it is quarantined."""
        return self.log.seen(user_id, before, self.types)

    def seen_by(self, users: Sequence[str], before: Sequence[int]) -> list[list[str]]:
        """As the log itself, like `seen`."""
        return self.log.seen_by(users, before, self.types)

    def catalogue(self, upto: int) -> list[str]:
        """The items alive at offset `upto`, sorted, by accepted events: what is quarantined brings no item into being."""
        return self.log.catalogue(min(upto, self.end()), self._aside())

    def removed(self, after: int) -> list[str]:
        """The items removed at offsets above `after` and not posted again since, by accepted events."""
        return self.log.removed(after, self._aside())

    def posted(self, after: int) -> list[tuple[str, bool]]:
        """The items posted at offsets above `after` and not removed since, by accepted events; see the log."""
        return self.log.posted(after, self._aside())

    def recent(self, upto: int, count: int) -> list[tuple[int, str, str]]:
        """Offset, user and item of the newest `count` accepted interactions of `types` at offsets <= `upto`, by offset."""
        return self.log.recent(min(upto, self.end()), count, self._aside(), self.types)

    def popular(self, count: int) -> list[tuple[str, int]]:
        """The items of the newest accepted interactions of `types` with how often each occurs, most frequent first."""
        state = self._known().stamp, self.log.end()
        if self._popular is None or self._popular[0] != state:
            self._popular = state, self.log.popular(sys.maxsize, self._aside(), self.types)
        return self._popular[1][:count]

    def _aside(self) -> list[int]:
        """The offsets of all quarantined events: those the ledger names, and newer ones that are wrong, each judged once."""
        known = self._known()
        aside: list[int] = known.aside.to_pylist()
        if self.sifted_only or not known.rules:
            return aside
        stamp, reached, wrong = self._memory.judged or (None, 0, [])
        if stamp != known.stamp:
            reached, wrong = known.sifted.offset, []
        fresh = self.log.read(reached)
        if fresh.num_rows:
            found: list[int] = self._wrong(fresh, known).to_pylist()
            reached, wrong = fresh.column("offset")[-1].as_py(), [*wrong, *found]
        self._memory.judged = known.stamp, reached, wrong
        return aside + wrong

    def _readable(self, events: pa.Table) -> pa.Table:
        return self._accepted(events.filter(pc.less_equal(events.column("offset"), self.end())))

    def _upto(self, upto: int | None) -> int | None:
        if not self.sifted_only:
            return upto
        return self.end() if upto is None else min(upto, self.end())

    def _accepted(self, events: pa.Table) -> pa.Table:
        known = self._known()
        offsets = events.column("offset")
        aside = pc.is_in(offsets, value_set=known.aside)
        fresh = events.filter(pc.greater(offsets, known.sifted.offset))
        if fresh.num_rows and known.rules:
            fresh = fresh.take(pc.sort_indices(fresh.column("offset")))
            aside = pc.or_(aside, pc.is_in(offsets, value_set=self._wrong(fresh, known)))
        return events.filter(pc.invert(aside))

    def _wrong(self, fresh: pa.Table, known: _Known) -> pa.Array:
        found = judged(
            known.rules,
            fresh,
            interactions_before(self.log, fresh, known.rules),
            now=self.log.now(lambda newest: without(newest, known.aside)),
            spreads=known.sifted.spreads,
            releases=known.releases,
            compare=breaks,
        )
        wrong = [offset for offset, faults in found.items() if any(fault.action != "warn" for fault in faults)]
        return pa.array(wrong, pa.int64())

    def _known(self) -> _Known:
        ledger, path = Ledger(self.folder / "quarantine"), self.folder / "rules.json"
        memory = self._memory
        with memory.lock:
            stamp = (ledger.stamp(), path.stat().st_mtime_ns if path.exists() else 0)
            if memory.read is None or memory.read.stamp != stamp:
                aside = pa.array(ledger.aside(), pa.int64())
                memory.read = _Known(stamp, rules.load(path), ledger.sifted(), aside, ledger.releases())
            return memory.read
