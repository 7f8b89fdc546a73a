"""The history that policies are tried on: events in the order of their time, of which the last days are replayed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon import data
from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.ports import EventLog

LEAST = 1_000
"""Events before the first day, which the first release learns from: with fewer it is no model."""


@dataclass(frozen=True, slots=True)
class History:
    """Events and the days that are replayed.

    Attributes:
        events: EVENT_SCHEMA, by event time; the event at position p gets the offset p + 1.
        begins: when the first replayed day begins.
        days: how many; the last one ends with the newest event.
    """

    events: pa.Table
    begins: datetime
    days: int

    def place(self, moment: datetime) -> int:
        """How many events had happened before a moment."""
        times = self.events.column("event_timestamp").cast(pa.int64()).to_numpy()
        return int(np.searchsorted(times, pa.scalar(moment, pa.timestamp("us", "UTC")).cast(pa.int64()).as_py()))


def history(source: Path | EventLog, days: int, quarantine: Path) -> History:
    """The last `days` of a folder in one of the layouts of `ratoon data import`, or of a log, with all that came before.

    Raises:
        DataError: the folder cannot be read, or hardly anything came before.
    """
    if isinstance(source, Path):
        events = data.read(source, quarantine / "rejected.csv").events
    else:
        events = source.read(0).select(EVENT_SCHEMA.names)
    events = events.sort_by([("event_timestamp", "ascending"), ("event_id", "ascending")])
    newest = pc.max(events.column("event_timestamp")).as_py()
    if newest is not None:
        found = History(events, newest + timedelta(microseconds=1) - timedelta(days=days), days)
        if found.place(found.begins) >= LEAST:
            return found
    raise DataError(
        "backtest",
        expected=f"at least {LEAST:,} events before the last {days} days",
        found=f"{events.num_rows:,} events in all" if newest is None else f"{found.place(found.begins):,}",
        fix="Replay fewer days, or longer history.",
    )
