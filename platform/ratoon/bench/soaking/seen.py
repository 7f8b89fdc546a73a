"""What was seen while a home was replayed into."""

from collections.abc import Sequence
from dataclasses import dataclass

from ratoon.bench.soaking.lives import Life
from ratoon.bench.soaking.strikes import Victim
from ratoon.bench.soaking.traffic import Asked, Sent
from ratoon.domain.release import Release
from ratoon.jobs.run import Run


@dataclass(frozen=True, slots=True)
class Published:
    """A release, and when it was first seen to be current, in seconds since the replay began."""

    at: float
    release: Release


@dataclass(frozen=True, slots=True)
class Memory:
    """MiB resident: of the server, and of the worker with the runs that it had under way."""

    at: float
    server: float
    worker: float


@dataclass(frozen=True, slots=True)
class Seen:
    """All of it.

    Attributes:
        seconds: of the replay and what it took to settle.
        opened: when the server first answered, and the events began.
        replayed: seconds after which no blow fell any more.
        published: all releases from the one that it began with, oldest first.
        runs: the ledger's, oldest first.
        began: the wall clock when the replay began, seconds since 1970.
        settled: whether the watermark reached the log's end, and was served, in the time given.
        batch: events in a request.
    """

    seconds: float
    opened: float
    replayed: float
    began: float
    lives: dict[Victim, list[Life]]
    asked: Sequence[Asked]
    sent: Sequence[Sent]
    published: Sequence[Published]
    memory: Sequence[Memory]
    runs: Sequence[Run]
    settled: bool
    batch: int
