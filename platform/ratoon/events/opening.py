"""Which log there is."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from ratoon.events.arrival import Clock
from ratoon.events.sqlite import SqliteEventLog
from ratoon.events.turns import Limits


class Chosen(Protocol):
    """What `[events]` of the configuration says."""

    @property
    def store(self) -> str: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102
    @property
    def replicas(self) -> int: ...  # noqa: D102
    @property
    def may_lose(self) -> bool: ...  # noqa: D102
    @property
    def waiting(self) -> int: ...  # noqa: D102
    @property
    def waiting_mb(self) -> int: ...  # noqa: D102
    @property
    def skew_s(self) -> float: ...  # noqa: D102
    @property
    def spare_mb(self) -> int: ...  # noqa: D102


class Clocked(Protocol):
    """What `[clock]` says."""

    @property
    def mode(self) -> Clock: ...  # noqa: D102


class Stated(Protocol):
    """The parts of the configuration that a log follows."""

    @property
    def clock(self) -> Clocked: ...  # noqa: D102
    @property
    def events(self) -> Chosen: ...  # noqa: D102


def open_log(path: Path, settings: Stated, wall: Callable[[], datetime], *, checked: bool) -> SqliteEventLog:
    """The log in a file, or the one that servers share and the file is a copy of; for `checked` see `SqliteEventLog`."""
    clock, chosen = settings.clock.mode, settings.events
    skew = timedelta(seconds=chosen.skew_s)
    limits = Limits(chosen.waiting, chosen.waiting_mb * 2**20, chosen.spare_mb * 2**20, skew=skew)
    if chosen.store == "sqlite":
        return SqliteEventLog(path, clock, wall, limits=limits, checked=checked)
    from ratoon.events.streams import StreamEventLog

    return StreamEventLog(
        path, clock, wall, chosen.url, replicas=chosen.replicas, may_lose=chosen.may_lose, limits=limits, checked=checked
    )
