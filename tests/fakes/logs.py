"""Every event log there is, opened the same way."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from ratoon.events import SqliteEventLog
from ratoon.ports import WholeLog

Clock = Literal["wall", "log"]

RECENT = 7
"""How many interactions `popular` counts over in tests, so that older ones fall out soon."""


class ClosableLog(WholeLog, Protocol):
    """A log that holds files."""

    def close(self) -> None: ...


Opener = Callable[[Path, Clock, Callable[[], datetime]], ClosableLog]


def open_sqlite(folder: Path, clock: Clock, wall: Callable[[], datetime]) -> ClosableLog:
    return SqliteEventLog(folder / "events.sqlite", clock, wall, recent=RECENT)


LOGS: dict[str, Opener] = {"sqlite": open_sqlite}
