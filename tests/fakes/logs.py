"""Every event log there is, opened the same way."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from ratoon.events import Limits, SqliteEventLog
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


LOGS: dict[str, Opener] = {"sqlite": open_sqlite}
