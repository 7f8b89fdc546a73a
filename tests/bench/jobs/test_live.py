"""The rows of a live replay."""

from dataclasses import replace

import pytest

from ratoon.bench.jobs.live import failed, waited
from ratoon.bench.soaking.traffic import Asked
from tests.bench.soaking.pieces import seen


def test_an_event_that_is_never_served_breaks_the_bar() -> None:
    """The 95th percentile of all events' waits; endless as soon as one of them is in no answer's release."""
    row = waited(seen())
    assert row.value == pytest.approx(5.51)
    assert (row.holds, row.unit) == (True, "s")
    lost = waited(replace(seen(), asked=seen().asked[:-1]))
    assert (lost.value, lost.holds) == (float("inf"), False)
    assert not waited(replace(seen(), sent=[])).holds


def test_every_failure_outside_of_the_servers_own_absence_counts() -> None:
    """None may be there, of what is asked and of what is posted alike."""
    assert failed(seen()).holds
    row = failed(replace(seen(), asked=[*seen().asked, Asked(8.0, 8.1, 500), Asked(8.2, 8.3, 0)]))
    assert (row.value, row.holds) == (2, False)
