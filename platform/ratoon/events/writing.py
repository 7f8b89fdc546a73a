"""What is written to the log's file: events, in the order in which they are acknowledged."""

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from ratoon.domain.errors import DataError, Overloaded
from ratoon.domain.event import LOG_SCHEMA, TIME
from ratoon.durable import fault_point
from ratoon.events import ids, notes, tail
from ratoon.events.arrival import Clock, arrivals
from ratoon.events.connection import INDEXES, connect, mapped
from ratoon.events.hashing import of_texts
from ratoon.events.mark import Mark
from ratoon.events.rows import CHUNK, marks, rows_of
from ratoon.events.seals import seals_of
from ratoon.events.turns import Limits, Ticket

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CACHE_KIB = 64 * 1024
"""Page cache of whoever writes: what settling the tail changes fits in, mostly."""
LOADING_KIB = 256 * 1024
"""Page cache while much is appended."""
CHECKPOINT_PAGES = 4_000
"""Of the write-ahead log, after which it is copied into the file: each time costs two syncs and the pages that it touches."""
PATIENCE = 4
"""The tail is settled whenever it has `settle_every` events; with so many times as many, as that failed, no more are taken."""

END = """
SELECT "offset", created_timestamp FROM (
    SELECT * FROM (SELECT "offset", created_timestamp FROM tail ORDER BY "offset" DESC LIMIT 1)
    UNION ALL SELECT * FROM (SELECT "offset", created_timestamp FROM main.events ORDER BY "offset" DESC LIMIT 1)
) ORDER BY "offset" DESC LIMIT 1"""
NEWEST = """
SELECT max(newest) FROM (
    SELECT max(event_timestamp) AS newest FROM main.events UNION ALL SELECT max(event_timestamp) FROM {tail}
)"""
_LOAD = f"INSERT INTO main.events ({tail.ROW}) VALUES ({marks([*LOG_SCHEMA.names, 'seal'])})"


class Writer:
    """The one connection of a process that writes; for one thread at a time.

    Args:
        path: the file; made if it is not there.
        clock, wall: see `SqliteEventLog`.
        limits: see there.
    """

    def __init__(self, path: Path, clock: Clock, wall: Callable[[], datetime], limits: Limits) -> None:
        self._path, self._clock, self._wall = path, clock, wall
        self._spare, self._settle_every = limits.spare, limits.settle_every
        self.db = mapped(connect(path))
        self.db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self.db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._ids = tail.Ids()
        self._written: tuple[list[str], int] | None = None
        self._mark = Mark(path.with_name(f"{path.name}-end"))
        self._mark.check(path, lambda: self._end(self.db)[0])

    def close(self) -> None:
        """Close the connection."""
        self.db.close()
        self._mark.close()

    def write(self, tickets: Sequence[Ticket]) -> None:
        """Append batches in order, all or none, and fill in each one's `logged`.

        Raises:
            Overloaded: the disk is nearly full.
        """
        self.room()
        with self._transaction() as db:
            kept, logged = self.new(tickets)
            self.insert(db, logged)
            fault_point("events.before_commit")
        fault_point("events.after_commit")
        answer(tickets, kept, logged)

    def new(self, tickets: Sequence[Ticket]) -> tuple[pa.Array | None, pa.Table]:
        """Which of the batches' events are not in the log, None for all, and these as the log's next (LOG_SCHEMA)."""
        whole = tickets[0].events if len(tickets) == 1 else pa.concat_tables([one.events for one in tickets])
        kept = unknown(self.db, whole, self._ids.known(self.db))
        return kept, self._dated(whole if kept is None else whole.take(kept), tickets[0].backfill)

    def insert(self, db: sqlite3.Connection, logged: pa.Table) -> None:
        """Put events of the log (LOG_SCHEMA), the next ones, into the tail, inside of a transaction."""
        if logged.num_rows:
            hashes = of_texts(logged.column("event_id").combine_chunks())
            sealed = logged.append_column("seal", pa.array(seals_of(logged, hashes)))
            tail.put(db, sealed.append_column("hash", pa.array(hashes.view(np.int64))))
            self._written = logged.column("event_id").to_pylist(), logged.column("offset")[-1].as_py()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One commit, after which the events of the body are on disk."""
        self._written = None
        with self.db as db:
            db.execute("BEGIN IMMEDIATE")
            yield db
        if self._written is not None:
            self._ids.add(*self._written)
            self._mark.write(self._written[1])

    def apply(self, first: int, logged: pa.Table) -> None:
        """Take over events that were acknowledged elsewhere (LOG_SCHEMA, offsets from `first` on), where they are not here."""
        with self._transaction() as db:
            end = self._end(db)[0]
            if end >= first - 1:
                self.insert(db, logged.slice(end + 1 - first))

    def settle(self, least: int) -> None:
        """Sort the tail in if it has so many events; whoever wants to write waits meanwhile."""
        if self._tail() >= least:
            with self.db as db:
                db.execute("BEGIN IMMEDIATE")
                self._ids.known(db)
                tail.settle(db, None if self._ids.own else self._path)
                fault_point("events.before_settled")

    def load(self, batches: Iterable[pa.Table]) -> int:
        """See `SqliteEventLog.load`; the batches are validated."""
        new = 0
        with _loading(self.db, self._path) as empty:
            for events in batches:
                kept = None if empty else unknown(self.db, events, self._ids.known(self.db))
                logged = self._dated(events if kept is None else events.take(kept), backfill=True)
                self.db.executemany(_LOAD, rows_of(logged.append_column("seal", pa.array(seals_of(logged)))))
                if not empty:
                    ids.put(self.db, logged.column("event_id"), logged.column("offset").to_pylist())
                new += logged.num_rows
            notes.note(self.db)
            fault_point("events.before_commit")
        fault_point("events.after_commit")
        self._mark.write(self._end(self.db)[0])
        return new

    def _dated(self, events: pa.Table, backfill: bool) -> pa.Table:
        """The events as the next of the log (LOG_SCHEMA)."""
        db = self.db
        end, previous = self._end(db)
        happened = events.column("event_timestamp").cast(pa.int64()).to_numpy()
        if backfill:
            present = 0
        elif self._clock == "log":
            present = db.execute(NEWEST.format(tail="tail")).fetchone()[0] or 0
        else:
            present = (self._wall() - EPOCH) // timedelta(microseconds=1)
        created = arrivals(happened, previous, present, clock=self._clock, backfill=backfill)
        offsets = np.arange(end + 1, end + 1 + len(created))
        columns = [*events.columns, pa.array(created).cast(TIME), pa.array(offsets)]
        return pa.Table.from_arrays(columns, schema=LOG_SCHEMA)

    def _tail(self) -> int:
        first, last = self.db.execute(tail.ENDS).fetchone()
        return 0 if first is None else last - first + 1

    def end(self) -> int:
        """The newest offset; 0 when there is none."""
        return self._end(self.db)[0]

    @staticmethod
    def _end(db: sqlite3.Connection) -> tuple[int, int]:
        """The newest offset and when it arrived."""
        return db.execute(END).fetchone() or (0, -1)

    def room(self) -> None:
        """Raise Overloaded where there is none."""
        disk = os.statvfs(self._path.parent)
        free = disk.f_bavail * disk.f_frsize
        if free < self._spare:
            raise Overloaded(
                str(self._path.parent),
                expected=f"{self._spare // 2**20:,} MiB free on its disk ([events] spare_mb)",
                found=f"{free // 2**20:,} MiB",
                fix="Make room; nothing was stored, and nothing will be until there is some.",
            )
        if (waiting := self._tail()) > PATIENCE * self._settle_every:
            raise Overloaded(
                str(self._path),
                expected=f"at most {PATIENCE * self._settle_every:,} events without indexes",
                found=f"{waiting:,}: they could not be sorted in",
                fix="Look at the disk; `ratoon doctor` says what is wrong with the file.",
            )


def answer(tickets: Sequence[Ticket], kept: pa.Array | None, logged: pa.Table) -> None:
    """Fill in what was new of each batch; see `Writer.new`."""
    ends = np.cumsum([one.events.num_rows for one in tickets])
    if kept is not None:
        ends = np.searchsorted(kept.to_numpy(), ends)
    for one, first, last in zip(tickets, (0, *ends[:-1]), ends, strict=True):
        one.logged = logged.slice(first, last - first)


def unknown(db: sqlite3.Connection, events: pa.Table, tailed: set[str]) -> pa.Array | None:
    """The places of the events whose ids are neither in the log nor earlier in the batch; None for all of them.

    Args:
        tailed: the ids of the events in the tail.
    """
    asked = events.column("event_id").to_pylist()
    fresh = set(asked)
    known = fresh & tailed
    offsets = ids.candidates(db, ids.hashed(events.column("event_id")))
    for start in range(0, len(offsets), CHUNK):
        chunk = offsets[start : start + CHUNK]
        found = db.execute(f'SELECT event_id FROM main.events WHERE "offset" IN ({marks(chunk)})', chunk)
        known |= fresh.intersection(event_id for (event_id,) in found)
    if not known and len(fresh) == len(asked):
        return None
    first = {event_id: place for place, event_id in reversed(list(enumerate(asked)))}
    return pa.array(sorted(place for event_id, place in first.items() if event_id not in known), pa.int64())


@contextmanager
def _loading(db: sqlite3.Connection, path: Path) -> Iterator[bool]:
    """One transaction that appends much; whether the log was empty is what the body gets.

    Ids come in no order, so every batch would write most of the pages of their index again: into an empty log rows go
    without indexes, which are built, sorted, after the last.

    Raises:
        DataError: two events of the body have one id.
    """
    db.execute(f"PRAGMA cache_size = -{LOADING_KIB}")
    try:
        with db:
            db.execute("BEGIN IMMEDIATE")
            empty = db.execute(END).fetchone() is None
            tail.settle(db, path)
            for name in INDEXES if empty else ():
                db.execute(f"DROP INDEX IF EXISTS {name}")
            yield empty
            if empty:
                _indexed(db)
    finally:
        db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


def _indexed(db: sqlite3.Connection) -> None:
    ids.note_all(db)
    if (event_id := ids.twice(db)) is not None:
        raise DataError(
            "events.event_id",
            expected="another id for each event",
            found=f"{event_id!r} twice",
            fix="Correct the ids and load again; nothing was stored.",
        )
    for index in INDEXES.values():
        db.execute(f"CREATE {index}")
