"""Every event log there is, opened the same way."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import redis

from ratoon.events import Limits, SqliteEventLog
from ratoon.events.streams import StreamEventLog
from ratoon.ports import WholeLog

Clock = Literal["wall", "log"]

RECENT = 7
"""How many interactions `popular` counts over in tests, so that older ones fall out soon."""
LIMITS = Limits(settle_every=6)
"""Events are sorted in soon, so that questions are about some that are and some that are not."""


class ClosableLog(WholeLog, Protocol):
    """A log that holds files."""

    def close(self) -> None: ...


Opener = Callable[[Path, Clock, Callable[[], datetime]], ClosableLog]


def open_sqlite(folder: Path, clock: Clock, wall: Callable[[], datetime]) -> ClosableLog:
    return SqliteEventLog(folder / "events.sqlite", clock, wall, recent=RECENT, limits=LIMITS)


def open_stream(folder: Path, clock: Clock, wall: Callable[[], datetime]) -> ClosableLog:
    """A copy of the stream on the server that RATOON_TEST_STREAM names, in a database that the folder has for itself."""
    with redis.Redis.from_url(os.environ[STREAM], decode_responses=True) as server:
        if not server.exists(str(folder)):
            # Processes that open it at once agree on the first one's.
            server.set(str(folder), str(server.incr("given")), nx=True)
        database = server.get(str(folder))
    url = f"{os.environ[STREAM].rpartition('/')[0]}/{database}"
    return StreamEventLog(folder / "events.sqlite", clock, wall, url, recent=RECENT, limits=LIMITS)


STREAM = "RATOON_TEST_STREAM"
LOGS: dict[str, Opener] = {"sqlite": open_sqlite, "stream": open_stream}
