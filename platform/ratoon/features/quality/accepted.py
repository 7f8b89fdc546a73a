"""The event log without what is quarantined: what every fold, join and lesson reads.

It is `ports.EventLog`. In a refresh nothing beyond what has been sifted is read (`sifted_only`). A server cannot wait for
that: it judges newer events on the spot, by every rule about single events, the rate included; what outliers are
measured against comes from the last sifting.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.schema import Entity
from ratoon.features.quality import rules
from ratoon.features.quality.judging import breaks, interactions_before, judged
from ratoon.features.quality.ledger import Ledger, Release, Sifted
from ratoon.features.quality.rules import Rule
from ratoon.ports import EventLog


@dataclass(frozen=True, slots=True)
class _Known:
    """What the files said when they were last read."""

    rules: tuple[Rule, ...]
    sifted: Sifted
    aside: pa.Array
    releases: tuple[Release, ...]


@dataclass
class Accepted:
    """A log seen through a quarantine. Threads may share it.

    Attributes:
        folder: `features/` of the home: the rules and the quarantine.
        sifted_only: stop at what has been sifted.
    """

    log: EventLog
    folder: Path
    sifted_only: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _read: tuple[object, _Known] | None = field(default=None, repr=False)

    def read(self, after: int, upto: int | None = None) -> pa.Table:
        """Accepted events with after < offset <= upto, by offset (LOG_SCHEMA)."""
        return self._accepted(self.log.read(after, self._upto(upto)))

    def end(self) -> int:
        """The newest offset that may be read; the events up to it may all be quarantined."""
        return min(self.log.end(), self._known().sifted.offset) if self.sifted_only else self.log.end()

    def now(self) -> datetime:
        """The present by the configured clock, quarantined events included."""
        return self.log.now()

    def history(self, entity: Entity, ids: Sequence[str], upto: int | None = None) -> pa.Table:
        """All accepted events of these users or items at offsets <= `upto` (LOG_SCHEMA), in the log's order."""
        return self._accepted(self.log.history(entity, ids, self._upto(upto)))

    def append(self, events: pa.Table) -> pa.Table:
        """As the log itself; what is appended is judged later."""
        return self.log.append(events)

    def seen(self, user_id: str, before: int | None = None) -> list[str]:
        """As the log itself: what a person saw they saw, whatever is learnt from it."""
        return self.log.seen(user_id, before)

    def catalogue(self, upto: int) -> list[str]:
        """As the log itself: an item exists although what is said of it may be wrong."""
        return self.log.catalogue(upto)

    def removed(self, after: int) -> list[str]:
        """As the log itself."""
        return self.log.removed(after)

    def popular(self, count: int) -> list[tuple[str, int]]:
        """As the log itself."""
        return self.log.popular(count)

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
            now=self.log.now(),
            spreads=known.sifted.spreads,
            releases=known.releases,
            compare=breaks,
        )
        wrong = [offset for offset, faults in found.items() if any(fault.action != "warn" for fault in faults)]
        return pa.array(wrong, pa.int64())

    def _known(self) -> _Known:
        ledger, path = Ledger(self.folder / "quarantine"), self.folder / "rules.json"
        with self._lock:
            stamp = (ledger.stamp(), path.stat().st_mtime_ns if path.exists() else 0)
            if self._read is None or self._read[0] != stamp:
                aside = [offset for offset, entry in ledger.entries().items() if entry.aside]
                known = _Known(rules.load(path), ledger.sifted(), pa.array(aside, pa.int64()), ledger.releases())
                self._read = stamp, known
            return self._read[1]
