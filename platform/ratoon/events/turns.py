"""Group commit: who comes while the disk syncs for others shares the next turn (Gray, Reuter 1993, Transaction Processing)."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from ratoon.domain.errors import DataError, Overloaded
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.events.validate import SKEW, validated

ROWS = 20_000
"""Events of one turn, about; a batch is never split."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may wait, and what is taken at all.

    Attributes:
        rows, size: most events, and bytes of them, that wait for the disk. One batch alone is never too much.
        spare: bytes of the disk that stay free; below that nothing is taken.
        skew: how far ahead of the wall clock an event may be dated.
        settle_every: events that wait for their indexes. Twice as many would be sorted in a little more cheaply, while those
            who append wait twice as long for it.
    """

    rows: int = 100_000
    size: int = 64 * 2**20
    spare: int = 256 * 2**20
    settle_every: int = 16_384
    skew: timedelta = SKEW


LIMITS = Limits()


class Ticket:
    """A batch that waits for its turn.

    Attributes:
        events: EVENT_SCHEMA.
        backfill: see `SqliteEventLog.append`.
        logged: what was new of it, once it is on disk.
        wrong: why it is not.
        leads: whether it is for its thread to work.
    """

    def __init__(self, events: pa.Table, backfill: bool) -> None:
        self.events, self.backfill = events, backfill
        self.size = events.get_total_buffer_size()
        self.logged: pa.Table | None = None
        self.wrong: BaseException | None = None
        self.leads = False
        self._call = threading.Lock()
        self._call.acquire()

    @property
    def done(self) -> bool:
        """Whether it is known what became of it."""
        return self.logged is not None or self.wrong is not None

    def call(self) -> None:
        """Wake whoever waits: it is done, or it is their turn to work."""
        self._call.release()

    def wait(self) -> None:
        """Wait to be called."""
        self._call.acquire()


class Turns:
    """Threads that append: the first one works for all who wait, and then calls one of those who came meanwhile.

    Whoever is done is called by name, so that they are back with their next batch before the turn after this one begins: were
    they to find out by taking the turn itself, most turns would have a batch or two.

    Args:
        work: makes batches of one kind durable, in order, and fills in each one's `logged`.
        rows, size: see `Limits`.
    """

    def __init__(self, work: Callable[[Sequence[Ticket]], None], rows: int, size: int) -> None:
        self._work, self._rows, self._size = work, rows, size
        self._waiting: deque[Ticket] = deque()
        self._waiting_rows = self._waiting_size = 0
        self._guard, self._busy = threading.Lock(), False

    def do(self, ticket: Ticket) -> pa.Table:
        """Wait until a batch is on disk; what was new of it.

        Raises:
            Overloaded: too much waits; nothing was stored.
        """
        if not self._admit(ticket):
            try:
                ticket.wait()
            except BaseException:
                self._withdraw(ticket)
                raise
        if not ticket.done:
            self._lead()
        if ticket.wrong is not None:
            raise ticket.wrong
        assert ticket.logged is not None
        return ticket.logged

    def _lead(self) -> None:
        """Work for whoever waits, the caller first among them, then let the next one do so."""
        lot = self._next()
        try:
            self._work(lot)
        except BaseException as wrong:  # noqa: BLE001  # raised again, to everybody who waits
            for one in lot:
                one.wrong = wrong
        finally:
            for one in lot[1:]:
                one.call()
            with self._guard:
                self._hand_over()

    def _hand_over(self) -> None:
        if self._waiting:
            self._waiting[0].leads = True
            self._waiting[0].call()
        else:
            self._busy = False

    def _withdraw(self, ticket: Ticket) -> None:
        """Somebody was interrupted while they waited, perhaps just called to work."""
        with self._guard:
            if ticket not in self._waiting:
                return
            self._waiting.remove(ticket)
            self._waiting_rows -= ticket.events.num_rows
            self._waiting_size -= ticket.size
            if ticket.leads:
                self._hand_over()

    def _admit(self, ticket: Ticket) -> bool:
        """Let a batch wait; whether its thread has to work, as none does."""
        with self._guard:
            rows, size = self._waiting_rows + ticket.events.num_rows, self._waiting_size + ticket.size
            if self._waiting and (rows > self._rows or size > self._size):
                raise Overloaded(
                    "events",
                    expected=f"at most {self._rows:,} events and {self._size // 2**20:,} MiB that wait for the disk",
                    found=f"{self._waiting_rows:,} events of {self._waiting_size // 2**20:,} MiB waiting, and these",
                    fix="Send them again in a second; nothing of them was stored.",
                )
            self._waiting.append(ticket)
            self._waiting_rows, self._waiting_size = rows, size
            free, self._busy = not self._busy, True
            return free

    def _next(self) -> list[Ticket]:
        with self._guard:
            lot, rows = [self._waiting.popleft()], 0
            while self._waiting and rows < ROWS and self._waiting[0].backfill == lot[0].backfill:
                lot.append(self._waiting.popleft())
                rows += lot[-1].events.num_rows
            self._waiting_rows -= sum(one.events.num_rows for one in lot)
            self._waiting_size -= sum(one.size for one in lot)
            return lot


def fitting(tickets: Sequence[Ticket], present: datetime | None, skew: timedelta = SKEW) -> list[Ticket]:
    """The batches that are right, with the columns of EVENT_SCHEMA; the others have in `wrong` why they are not.

    Args:
        present, skew: see `validated`.
    """
    if len(tickets) > 1 and all(one.events.schema.equals(EVENT_SCHEMA) for one in tickets):
        with suppress(DataError):  # whose it is comes out below
            validated(pa.concat_tables([one.events for one in tickets]), present, skew)
            return list(tickets)
    for one in tickets:
        try:
            one.events = validated(one.events, present, skew)
        except DataError as wrong:
            one.wrong = wrong
    return [one for one in tickets if one.wrong is None]
