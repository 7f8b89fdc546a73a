"""The event log in one SQLite file: appended to by the server, read by a refresh in another process at the same time."""

import json
import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.errors import StoreError
from ratoon.domain.event import LOG_SCHEMA
from ratoon.domain.labels import Types
from ratoon.domain.schema import Entity
from ratoon.events.arrival import Clock
from ratoon.events.asked import HISTORY, KNOWN, NEWEST, OLDER
from ratoon.events.catalogue import CATALOGUE, POSTED, REMOVED
from ratoon.events.checked import Checked
from ratoon.events.connection import connect, failures, mapped
from ratoon.events.ids import hashed
from ratoon.events.interactions import FORGOT, RECENT, SEEN, SEEN_BY, counting, of_types, pairs, without_offsets
from ratoon.events.met import Met
from ratoon.events.popular import Popular
from ratoon.events.rows import CHUNK, marks, table_of
from ratoon.events.seals import unsealed
from ratoon.events.tail import Reader
from ratoon.events.turns import LIMITS, Limits, Ticket, Turns, fitting
from ratoon.events.validate import validated
from ratoon.events.writing import EPOCH, Writer

_ALL = 2**63 - 1
_TIME, _OFFSET = (LOG_SCHEMA.names.index(name) for name in ("event_timestamp", "offset"))
_WIDEST = 4_096


class SqliteEventLog:
    """`ports.EventLog` in a file. Threads and processes may share the file; open it after a fork, not before.

    Writing and reading have a connection each, so that a reader never waits for a disk to sync.

    Args:
        path: the file; made with its folder if it is not there.
        clock: whose now dates arrivals, see `arrival.Clock`.
        wall: the machine's clock, in UTC.
        recent: `popular` counts over this many newest interactions.
        limits: what may wait.
        checked: compare all that is read with what was acknowledged, as whoever learns from it has to. A server does without,
            but for what it reads by offset.

    Raises:
        StoreError: from any method, when SQLite cannot do its work.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        wall: Callable[[], datetime],
        recent: int = 5_000,
        limits: Limits = LIMITS,
        *,
        checked: bool = True,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._clock, self._wall, self._limits = path, clock, wall, limits
        with failures(path):
            self._writer = Writer(path, clock, wall, limits)
            self._reader = Reader(mapped(connect(path)), path if checked else None)
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._checked, self._sound = checked, Checked(path, self._ask)
        self._turns = Turns(self._append, limits.rows, limits.size)
        self._popular = Popular(recent)
        self._met = Met()
        self._alive: tuple[object, list[str]] = (None, [])

    @property
    def clock(self) -> Clock:
        """Whose present `now` is."""
        return self._clock

    def close(self) -> None:
        """Close the file; the log cannot be used afterwards."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    def append(self, events: pa.Table, backfill: bool = False) -> pa.Table:
        """Make `events` (EVENT_SCHEMA) durable, all or none; return those that were new (LOG_SCHEMA).

        An event whose id is already in the log, or earlier in the batch, is passed over. Threads that append at once share
        a commit, each with its own answer.

        Args:
            events: n events.
            backfill: history: each event is dated as having arrived when it happened.

        Raises:
            DataError: an event is invalid; names its place, field, what was expected and what was found.
            Overloaded: too much waits, or the disk is nearly full; nothing was stored.
        """
        return self._turns.do(Ticket(events, backfill))

    def _append(self, tickets: Sequence[Ticket]) -> None:
        # Here, and not in each caller's thread: to look at many costs little more than to look at one.
        if fit := fitting(tickets, self._wall() if self._clock == "wall" else None, self._limits.skew):
            self._write(fit)

    def _write(self, tickets: Sequence[Ticket]) -> None:
        with self._writing:
            with failures(self._path):
                self._writer.write(tickets)
            # They are acknowledged whatever becomes of this: if it fails it is tried again with the next ones.
            with suppress(sqlite3.Error):
                self._writer.settle(self._limits.settle_every)

    def load(self, batches: Iterable[pa.Table]) -> int:
        """Make history durable, all of it or none, a batch at a time in memory; return how many events were new.

        Like `append(..., backfill=True)` of everything at once, and much faster into an empty log. Whoever else wants
        to write waits until it is done.

        Args:
            batches: EVENT_SCHEMA; into an empty log no two events may have one id.

        Raises:
            DataError: an event is invalid, or an id stands twice.
        """
        present = self._wall() if self._clock == "wall" else None
        with self._writing, failures(self._path):
            return self._writer.load(validated(batch, present, self._limits.skew) for batch in batches)

    def settle(self) -> None:
        """Sort everything in: from then on the table `events` of the file has all events, until more come."""
        with self._writing, failures(self._path):
            self._writer.settle(1)

    def unknown(self, events: pa.Table) -> pa.Table:
        """Those of `events` whose ids are not in the log, each id once."""
        places = {event_id: place for place, event_id in reversed(list(enumerate(events.column("event_id").to_pylist())))}
        for event_id in self.known(list(places)).column("event_id").to_pylist():
            places.pop(event_id)
        return events.take(pa.array(sorted(places.values()), pa.int64()))

    def known(self, event_ids: Sequence[str]) -> pa.Table:
        """The events with these ids that it has (LOG_SCHEMA), in no order."""
        hashes, found = hashed(pa.array(event_ids, pa.string())), list[tuple[Any, ...]]()
        for start in range(0, len(event_ids), CHUNK // 3):
            chunk = slice(start, start + CHUNK // 3)
            found += self._select(
                KNOWN.format(marks=marks(event_ids[chunk])), *hashes[chunk], *event_ids[chunk], *event_ids[chunk]
            )
        return unsealed(self._path, found)[0]

    def read(self, after: int, upto: int | None = None) -> pa.Table:
        """Acknowledged events with after < offset <= upto, by offset (LOG_SCHEMA).

        Raises:
            StoreError: they are not what was acknowledged: the file is damaged.
        """
        return self._sound.read(after, _ALL if upto is None else upto)

    def end(self) -> int:
        """The newest acknowledged offset; 0 when there is none."""
        with self._reading, failures(self._path):
            return self._reader.end()

    def now(self, accepted: Callable[[pa.Table], pa.Table] | None = None) -> datetime:
        """The wall's now; under `clock=log` the newest acknowledged event time, 1970 while there is none.

        Args:
            accepted: of these events (LOG_SCHEMA) those that may move the log's clock; all of them by default.
        """
        if self._clock == "wall":
            return self._wall()
        if accepted is None and self._checked:
            return self._sound.newest().column("event_timestamp").to_pylist()[0] if self.end() else EPOCH
        if accepted is None:
            return EPOCH + timedelta(microseconds=self._select(NEWEST)[0][0] or 0)
        before, page = (_ALL, _ALL), 1
        while rows := self._select(OLDER, *before, page):
            found = accepted(unsealed(self._path, rows)[0])
            if found.num_rows:
                newest: datetime = pc.max(found.column("event_timestamp")).as_py()
                return newest
            before, page = (rows[-1][_TIME], rows[-1][_OFFSET]), min(page * 8, _WIDEST)
        return EPOCH

    def edition(self) -> object:
        """The same until somebody is forgotten: what else was acknowledged stays."""
        return self._select(FORGOT)[0][0]

    def history(self, entity: Entity, ids: Sequence[str], upto: int | None = None, after: int = 0) -> pa.Table:
        """All events of these users or items with after < offset <= upto, by (entity id, event_timestamp, event_id)."""
        last, wanted = _ALL if upto is None else upto, sorted(set(ids))
        if self._checked:
            told = self._sound.history(entity, wanted)
            offsets = told.column("offset")
            return told.filter(pc.and_(pc.greater(offsets, after), pc.less_equal(offsets, last)))
        chunks = [wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK)]
        found = (self._select(HISTORY.format(key=f"{entity}_id", ids=marks(chunk)), after, last, *chunk) for chunk in chunks)
        return table_of([row for rows in found for row in rows])

    def seen(self, user_id: str, before: int | None = None, types: Types = None) -> list[str]:
        """The items a user met at offsets below `before`, or ever, by interactions of these types; in order of first sight."""
        if before is None:
            return self._met.of(user_id, types, self.end(), self._seen_after, self._forgot)
        return self._seen_after(user_id, types, 0, before)

    def _forgot(self, after: int) -> bool:
        return (self._select(FORGOT)[0][0] or 0) > after

    def _seen_after(self, user_id: str, types: Types, after: int, before: int = _ALL) -> list[str]:
        which, names = of_types(types, "+type")
        rows = self._select(SEEN.format(types=which), user_id, after, before, *names)
        return list(dict.fromkeys([item for item, _ in rows]))

    def seen_by(self, users: Sequence[str], before: Sequence[int], types: Types = None) -> list[list[str]]:
        """What `seen` says of each user and the offset beside it, in order; each user's events are read once."""
        wanted, last = sorted(set(users)), max(before, default=0)
        offsets: dict[str, list[int]] = {user: [] for user in wanted}
        items: dict[str, list[str]] = {user: [] for user in wanted}
        for user, offset, item in self._met_by(wanted, last, types):
            offsets[user].append(offset)
            items[user].append(item)
        asked = zip(users, before, strict=True)
        return [list(dict.fromkeys(items[user][: bisect_left(offsets[user], offset)])) for user, offset in asked]

    def _met_by(self, users: Sequence[str], before: int, types: Types) -> Iterable[tuple[str, int, str]]:
        if self._checked:
            told = counting(self._sound.history("user", users), types).sort_by("offset")
            return (row for row in pairs(told) if row[1] < before)
        which, names = of_types(types, "+type")
        chunks = (users[start : start + CHUNK] for start in range(0, len(users), CHUNK))
        return [row for one in chunks for row in self._select(SEEN_BY.format(ids=marks(one), types=which), *one, before, *names)]

    def catalogue(self, upto: int, without: Sequence[int] = ()) -> list[str]:
        """The items alive at offset `upto`, sorted: seen in an item event or an interaction and not removed since.

        Only an item event brings a removed item back; an interaction does not. Events at the offsets `without` count for nothing.
        """
        asked = (min(upto, self.end()), tuple(without))
        known, alive = self._alive
        if known != asked:
            if self._checked:
                self._sound.items(*asked)
            alive = json.loads(self._select(CATALOGUE, asked[0], json.dumps(asked[1]))[0][0])
            # What was acknowledged stays, and a refresh asks several times: the last answer is kept.
            self._alive = (asked, alive)
        return list(alive)

    def removed(self, after: int, without: Sequence[int] = ()) -> list[str]:
        """The items removed at offsets above `after` and not posted again since, sorted; see `catalogue` for `without`."""
        (gone, offsets), (back, _) = without_offsets("gone", without), without_offsets("back", without)
        return [str(row[0]) for row in self._select(REMOVED.format(gone=gone, back=back), after, *offsets, *offsets)]

    def posted(self, after: int, without: Sequence[int] = ()) -> list[tuple[str, bool]]:
        """The items posted above `after` and not removed since, sorted, and whether removed above it too; see `catalogue`."""
        apart, offsets = without_offsets("logged", without)
        return [(str(item), bool(gone)) for item, gone in self._select(POSTED.format(events=apart), after, *offsets)]

    def recent(self, upto: int, count: int, without: Sequence[int] = (), types: Types = None) -> list[tuple[int, str, str]]:
        """Offset, user and item of the newest `count` interactions of these types at offsets <= `upto`; see `catalogue`."""
        if self._checked:
            told = self._sound.recent(upto, count, lambda some: counting(some, types, without))
            return [(offset, user, item) for user, offset, item in pairs(told)]
        (apart, offsets), (which, names) = without_offsets("logged", without), of_types(types)
        newest = self._select(RECENT.format(events=apart, types=which), upto, *offsets, *names, count)
        return [(int(offset), str(user), str(item)) for offset, user, item in reversed(newest)]

    def popular(self, count: int, without: Sequence[int] = (), types: Types = None) -> list[tuple[str, int]]:
        """The items of the newest interactions of these types and how often each occurs, most frequent first, ties by id.

        Events at the offsets `without` count for nothing.
        """
        end = self.end()
        apart = sorted(without)
        return self._popular.of(types, apart, count, end, self.edition, lambda newest: self.recent(end, newest, apart, types))

    def check(self) -> str:
        """Say in one line whether the file is sound: `ok` and how many events, or the first complaint."""
        try:
            complaint, end = self._select("PRAGMA quick_check(1)")[0][0], self.end()
            if complaint == "ok":
                self._sound.everything()
        except StoreError as damaged:
            return f"damaged: {damaged}"
        return f"ok, {end} events" if complaint == "ok" else f"damaged: {complaint}"

    def _select(self, statement: str, *parameters: str | int) -> list[tuple[Any, ...]]:
        return self._ask((statement, parameters))[0]

    def _ask(self, *asked: tuple[str, Sequence[object]]) -> list[list[tuple[Any, ...]]]:
        with self._reading, failures(self._path):
            return self._reader.select(*asked)
