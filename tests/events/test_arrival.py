"""Arrival times."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.events.arrival import arrivals

micros = st.integers(0, 50)


@given(st.lists(micros, min_size=1, max_size=20), micros | st.just(-1), micros, st.sampled_from(["wall", "log"]), st.booleans())
def test_arrivals_follow_the_definition(
    happened: list[int], previous: int, present: int, clock: Literal["wall", "log"], backfill: bool
) -> None:
    """Each arrival is the later of its clock's now and one microsecond after the one before, however they are mixed."""
    expected, newest = [previous], present
    for moment in happened:
        newest = max(newest, moment)
        now = moment if backfill else newest if clock == "log" else present
        expected.append(max(expected[-1] + 1, now))
    found = arrivals(np.array(happened, dtype=np.int64), previous, present, clock=clock, backfill=backfill)
    assert found.tolist() == expected[1:]


@pytest.mark.parametrize("clock", ["wall", "log"])
def test_no_events_do_not_arrive(clock: Literal["wall", "log"]) -> None:
    """An empty batch has no arrival times."""
    assert len(arrivals(np.array([], dtype=np.int64), 5, 7, clock=clock, backfill=False)) == 0
