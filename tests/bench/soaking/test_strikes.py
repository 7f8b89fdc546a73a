"""Blows."""

import signal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ratoon.bench.soaking.strikes import SIGNALS, VICTIMS, Fate, strikes


@given(st.integers(0, 1000), st.floats(0.5, 20.0), st.floats(0.0, 10.0), st.floats(0.0, 300.0))
def test_blows_keep_their_distance(seed: int, least: float, more: float, seconds: float) -> None:
    """They come in order, inside the time, as far apart as asked, and the same for the same seed."""
    fate = Fate((least, least + more), (0.1, 0.4))
    found = strikes(fate, seconds, seed)
    gaps = [later.at - one.at for one, later in pairwise(found)]
    assert all(least - 1e-6 <= gap <= least + more + 1e-6 for gap in gaps)
    assert all(0 < one.at < seconds and 0.1 <= one.down <= 0.4 for one in found)
    assert found == strikes(fate, seconds, seed)


@given(st.integers(0, 1000))
def test_nobody_is_spared(seed: int) -> None:
    """Of four blows that follow each other from the first on, each victim is killed once and told to end once."""
    found = strikes(Fate((1.0, 1.0)), 9.5, seed)
    assert len(found) == 9
    for begin in (0, 4):
        assert {(one.victim, one.signal) for one in found[begin : begin + 4]} == {(who, by) for who in VICTIMS for by in SIGNALS}


def test_who_is_no_victim_is_left_alone() -> None:
    """With the worker alone the server is never struck; with nobody nothing happens."""
    assert {one.victim for one in strikes(Fate((1.0, 2.0), victims=("worker",)), 60, 0)} == {"worker"}
    assert strikes(Fate(victims=()), 60, 0) == []
    assert signal.SIGKILL in SIGNALS
