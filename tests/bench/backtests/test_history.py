"""Which part of history is replayed."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.bench.backtests import history
from ratoon.data import synth, write_generic
from ratoon.domain.errors import DataError


def test_the_last_days_are_replayed(tmp_path: Path) -> None:
    """Events come in the order of their time; the days end with the newest one, and what is before them is learnt first."""
    write_generic(tmp_path / "world", synth(60, 60, 1_300, seed=1))
    found = history(tmp_path / "world", 10, tmp_path)
    times = found.events.column("event_timestamp").to_pylist()
    assert times == sorted(times)
    assert found.begins + timedelta(days=10) > times[-1] >= found.begins + timedelta(days=10) - timedelta(microseconds=1)
    start = found.place(found.begins)
    assert times[start - 1] < found.begins <= times[start]
    assert found.place(times[-1] + timedelta(microseconds=1)) == len(times)


def test_something_must_have_come_before(tmp_path: Path) -> None:
    """Of hardly any history no first release could be made: it is said how much there is."""
    write_generic(tmp_path / "world", synth(60, 60, 700, seed=1))
    with pytest.raises(DataError, match=re.escape("backtest: expected at least 1,000 events before the last 10 days, found ")):
        history(tmp_path / "world", 10, tmp_path)
