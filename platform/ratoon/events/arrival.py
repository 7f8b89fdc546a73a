"""When events arrive: one strictly increasing sequence of microseconds, whatever the clock does."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Clock = Literal["wall", "log"]
"""`wall`: the present is the machine's; `log`: the present is the newest event time that was acknowledged."""

Micros = npt.NDArray[np.int64]
"""Microseconds since 1970-01-01 UTC, shape (n,)."""


def arrivals(happened: Micros, previous: int, present: int, *, clock: Clock, backfill: bool) -> Micros:
    """When each of n events arrives; shape (n,).

    Arrival times are strictly increasing, so that two events can always be told apart and "everything up to then" has
    one meaning: an event that would arrive at or before its predecessor arrives one microsecond after it.

    Args:
        happened: when the events happened, shape (n,).
        previous: when the log's newest event arrived.
        present: the wall clock's now; under `log` the newest event time acknowledged so far.
        backfill: history that is brought in late is dated as if it had arrived when it happened.
    """
    if backfill:
        wanted = happened
    elif clock == "log":
        wanted = np.maximum(happened, present)  # the newest of the batch so far comes out of the last step
    else:
        wanted = np.full(len(happened), present, dtype=np.int64)
    place = np.arange(1, len(happened) + 1)
    return np.maximum.accumulate(np.maximum(wanted - place, previous)) + place
