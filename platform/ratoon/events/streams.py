"""The event log of several servers: a stream in Redis or Valkey acknowledges, and each server answers from its own copy of it.

    key          value
    {name}       stream: an entry per append, whose id is the offset of its first event; consumer groups: one per copy
    {name}:id    which log it is, so that an emptied server is not taken for a new one
    {name}:asked how often somebody asked again whether events are on disk

An id has to be greater than those before it. So whoever has not got all that was acknowledged cannot append: it catches up, and
tries again; offsets are dense and the same on all servers, and no event is twice in the log. The stream answers none of the
questions of a log but "what came after this?": a copy is the same SQLite file as that of one server alone.
"""

import socket
import threading
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import redis as client
from redis.backoff import NoBackoff
from redis.retry import Retry

from ratoon import durable
from ratoon.domain.errors import Overloaded, StoreError
from ratoon.events.arrival import Clock
from ratoon.events.connection import failures
from ratoon.events.sqlite import SqliteEventLog
from ratoon.events.trimming import Trimmed, trim
from ratoon.events.turns import LIMITS, Limits, Ticket
from ratoon.events.writing import answer

NAME = "ratoon:events"
ATTEMPTS = 100
"""To append after others; one of those who try at once always succeeds."""
ENTRIES = 100
"""Of the stream, read at once."""
WAIT_MS = 1_000
"""How long the server may take to have it on disk, there and on its replicas."""
SILENCE = 5.0
"""Seconds without an answer, after which the server is taken to be out of reach; more than it may wait for disks."""
SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
"""What a server has to be set to, or it can lose what it acknowledged."""


class StreamEventLog(SqliteEventLog):
    """`ports.EventLog` shared by servers. Reads are local, and follow the stream within milliseconds; one's own appends at once.

    Args:
        path: the local copy; others on this machine may share it.
        url: redis://[user:password@]host:port/db or unix://path.
        replicas: of the server, that have an event on disk before it is acknowledged.
        may_lose: take a server that could lose what it acknowledged.

    Raises:
        StoreError: the server is out of reach, could lose events, or has lost some.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock,
        wall: Callable[[], datetime],
        url: str,
        *,
        replicas: int = 0,
        may_lose: bool = False,
        recent: int = 5_000,
        limits: Limits = LIMITS,
        checked: bool = True,
    ) -> None:
        super().__init__(path, clock, wall, recent, limits, checked=checked)
        self._url, self._replicas, self._may_lose = url, replicas, may_lose
        self._closed = threading.Event()
        try:
            with self._named():
                patience = {"socket_connect_timeout": SILENCE, "socket_timeout": SILENCE}
                self._client = client.Redis.from_url(url, protocol=2, retry=Retry(NoBackoff(), 0), **patience)
                self._check_safe()
                self._group = self._recognise(path.with_name(f"{path.name}-stream"))
            self._follow()
        except BaseException:
            super().close()
            raise
        self._follower = threading.Thread(target=self._keep_up, name="events", daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Stop following and close the copy."""
        self._closed.set()
        self._follower.join()
        self._client.close()
        super().close()

    def load(self, batches: Iterable[pa.Table]) -> int:
        """As `append(..., backfill=True)` of each batch; if one is bad those before it stay."""
        return sum(self.append(batch, backfill=True).num_rows for batch in batches)

    def _write(self, tickets: Sequence[Ticket]) -> None:
        for _ in range(ATTEMPTS):
            self._follow()
            with self._writing, failures(self._path):
                self._writer.room()
                kept, logged = self._writer.new(tickets)
            durable.fault_point("events.before_commit")
            if self._acknowledged(logged, whole=kept is None):
                durable.fault_point("events.after_commit")
                self._follow()
                answer(tickets, kept, logged)
                return
        raise Overloaded(
            self._url, expected="a turn to append", found=f"{ATTEMPTS} others before", fix="Send them again; nothing was stored."
        )

    def _acknowledged(self, logged: pa.Table, *, whole: bool) -> bool:
        """Whether the events are on the server's disk now; not if others were first.

        Args:
            whole: none of what is appended was known. What is known may not have been on disk when it was last asked about.
        """
        with self._named():
            asked = self._client.pipeline(transaction=False)
            if logged.num_rows:
                payload = _packed(logged)
                entry: dict[Any, Any] = {"events": payload, "crc": zlib.crc32(payload)}
                asked.xadd(NAME, entry, id=f"{logged.column('offset')[0].as_py()}-0")
            if not whole:
                asked.incr(f"{NAME}:asked")
            asked.execute_command("WAITAOF", 0 if self._may_lose else 1, self._replicas, WAIT_MS)  # type: ignore[no-untyped-call]
            *added, (local, replicas) = _raised(asked.execute(raise_on_error=False)) or (None, (1, self._replicas))
        if added == [None]:
            return False
        if local + self._may_lose < 1 or replicas < self._replicas:
            raise StoreError(
                self._url,
                expected=f"the events on its disk and on those of {self._replicas} replicas within {WAIT_MS} ms",
                found=f"them on {local} and {replicas}",
                fix="Send them again: those that are there already count once. Look at the server and its replicas.",
            )
        return True

    def _follow(self) -> None:
        """Take over what the stream has and the copy has not."""
        while True:
            with self._writing, failures(self._path):
                end = self._writer.end()
            with self._named():
                entries: Any = self._client.xrange(NAME, min=f"{end + 1}-0", count=ENTRIES)
            if not entries:
                return
            self._take(end, entries)

    def _take(self, end: int, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for name, entry in entries:
            first, payload = int(name.partition(b"-")[0]), entry[b"events"]
            if zlib.crc32(payload) != int(entry[b"crc"]):
                raise self._lost(f"entry {name.decode()} as it was appended", "another one, by its checksum")
            if first > end + 1:
                raise self._lost(f"event {end + 1}", f"{first} as the oldest that this copy lacks")
            logged = _unpacked(payload)
            with self._writing:
                with failures(self._path):
                    self._writer.apply(first, logged)
                with suppress(StoreError), failures(self._path):
                    self._writer.settle(self._limits.settle_every)
            end = max(end, first + logged.num_rows - 1)

    def _keep_up(self) -> None:
        while not self._closed.is_set():
            # Whoever appends hears of what is wrong; readers have what there is, and this tries again.
            with suppress(StoreError):
                with self._named():
                    self._client.xread({NAME: f"{self.end()}-0"}, count=1, block=200)
                self._follow()
                with self._named():
                    self._client.xgroup_setid(NAME, self._group, f"{self.end()}-0")
                continue
            self._closed.wait(0.5)

    def trim(self, before: datetime, *, dry_run: bool = False) -> Trimmed:
        """Drop from the stream what arrived before a moment and every copy has. The copies keep everything."""
        with self._named():
            return trim(self._client, NAME, self, before, dry_run=dry_run)

    def _check_safe(self) -> None:
        if self._may_lose:
            return
        try:
            found: Any = self._client.config_get(*SAFE)
        except client.ResponseError as refused:
            found = dict.fromkeys(SAFE, f"unknown ({refused})")
        wrong = {name: found.get(name) for name, wanted in SAFE.items() if found.get(name) != wanted}
        if wrong:
            raise StoreError(
                self._url,
                expected=", ".join(f"{name} {SAFE[name]}" for name in wrong),
                found=", ".join(f"{name} {value}" for name, value in wrong.items()),
                fix="Set the server so, or it loses events that it acknowledged; [events] may_lose = true takes it as it is.",
            )

    def _recognise(self, note: Path) -> str:
        """The name of this copy's consumer group; the note beside the copy says which stream it follows.

        Raises:
            StoreError: the server has another log than this copy, or less of it.
        """
        begun = self._client.set(f"{NAME}:id", uuid.uuid4().hex, nx=True)
        stream, end = str(self._client.get(f"{NAME}:id"), "ascii"), self._writer.end()  # type: ignore[arg-type]  # not asynchronous
        followed = note.read_text() if note.exists() else stream if begun or not end else "of its own"
        if followed != stream:
            raise self._lost(f"log {followed}, which this copy has", f"log {stream}")
        newest: Any = self._client.xrevrange(NAME, count=1)
        found = int(newest[0][0].partition(b"-")[0]) + _unpacked(newest[0][1][b"events"]).num_rows - 1 if newest else 0
        if note.exists() and newest and found < end:
            raise self._lost(f"events up to {end}, which were acknowledged", f"{found} as the newest")
        durable.write(note, stream.encode())
        group = f"{socket.gethostname()}:{note.parent}"
        with suppress(client.ResponseError):  # it is there
            self._client.xgroup_create(NAME, group, id="0", mkstream=True)
        return group

    def _lost(self, expected: str, found: str) -> StoreError:
        return StoreError(
            self._url,
            expected=expected,
            found=found,
            fix="Do not append: look at the server's persistence, or copy events.sqlite* from a server that has them all.",
        )

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn the client's errors into StoreError, without the password."""
        try:
            yield
        except client.RedisError as error:
            raise StoreError(
                self._url.rpartition("@")[2],
                expected="a Redis-protocol server that can be used",
                found=f"{type(error).__name__}: {error}",
                fix="Check the server and [events] url; what was not acknowledged may be sent again.",
            ) from error


def _raised(answers: list[Any]) -> list[Any] | None:
    """The answers; None if others appended first."""
    for one in answers:
        if isinstance(one, client.ResponseError) and "equal or smaller" in str(one):
            return None
        if isinstance(one, Exception):
            raise one
    return answers


def _packed(logged: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, logged.schema) as stream:
        stream.write_table(logged.combine_chunks())
    return bytes(sink.getvalue())


def _unpacked(payload: bytes) -> pa.Table:
    with pa.ipc.open_stream(payload) as stream:
        return stream.read_all()
