"""Sets of slots that change a little at a time."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratoon.index.filters import matches
from ratoon.index.filters.matches import NOTHING, Matches

SLOTS = st.dictionaries(st.integers(0, 300), st.booleans(), min_size=1)


@given(steps=st.lists(SLOTS, max_size=8), sample=st.sampled_from([1, 8, 1_000]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_slot_by_slot(monkeypatch: pytest.MonkeyPatch, steps: list[dict[int, bool]], sample: int) -> None:
    """After any changes they are those that were last said to match, and those before a change stay what they were."""
    monkeypatch.setattr(matches, "SAMPLE", sample)
    truth, found = np.zeros(301, np.bool_), Matches.of(np.zeros(3, np.bool_))
    for step in steps:
        before, kept = truth.copy(), found
        truth[list(step)] = list(step.values())
        found = found.with_slots(np.array(list(step)), np.array(list(step.values())))
        for one, wanted in ((kept, before), (found, truth)):
            assert sorted(one.all.tolist()) == np.flatnonzero(wanted).tolist()
            assert one.has(np.arange(301)).tolist() == wanted.tolist()
            assert one.count == wanted.sum()
            assert set(one.listed.tolist()) <= set(one.all.tolist())
            assert one.whole == (len(one.listed) == one.count) or len(one.listed) == one.count


def test_of_many_a_sample_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond twice the sample about as many are listed, all over the slots, and it stays so when most go or many come."""
    monkeypatch.setattr(matches, "SAMPLE", 1_000)
    found = Matches.of(np.arange(50_000) % 2 == 0)
    assert not found.whole
    assert 800 < len(found.listed) < 1_200
    assert abs(found.listed.mean() / 25_000 - 1) < 0.1
    fewer = found.with_slots(np.arange(0, 50_000, 2), np.arange(25_000) < 1_500)
    assert (fewer.whole, len(fewer.listed)) == (True, 1_500)
    more = fewer.with_slots(np.arange(0, 50_000), np.ones(50_000, np.bool_))
    assert 800 < len(more.listed) < 1_200
    assert more.count == 50_000


def test_nothing() -> None:
    """No slot matches nothing, however large."""
    assert NOTHING.has(np.array([0, 10**6])).tolist() == [False, False]
    assert (NOTHING.count, NOTHING.all.tolist(), NOTHING.whole) == (0, [], True)
