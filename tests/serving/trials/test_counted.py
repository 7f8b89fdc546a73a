"""What a trial has shown."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.sequential import Followed
from ratoon.serving.trials import counted
from ratoon.serving.trials.counted import Counted
from ratoon.serving.trials.likeness import Likeness

STEPS = st.lists(st.tuples(st.sampled_from(["trial", "control"]), st.sampled_from("abcd"), st.booleans()), max_size=60)


@given(steps=STEPS)
def test_sums_are_those_of_all_users(steps: list[tuple[counted.Side, str, bool]]) -> None:
    """What grows by one answer at a time is what all users' answers would be summed to at once."""
    made, known = Counted(), dict[tuple[str, str], list[int]]()
    for number, (side, user, follows) in enumerate(steps):
        made.shown(side, user, str(number))
        made.followed([str(number)] if follows else [])
        had = known.setdefault((side, user), [0, 0])
        had[0], had[1] = had[0] + 1, had[1] + follows
    for side, found in (("trial", made.figures().trial), ("control", made.figures().control)):
        pairs = [pair for (where, _), pair in known.items() if where == side]
        sums = (sum(n for n, _ in pairs), sum(y for _, y in pairs), sum(n * n for n, _ in pairs), sum(y * y for _, y in pairs))
        assert found == Followed(len(pairs), *sums, sum(n * y for n, y in pairs))


def test_an_answer_is_followed_once() -> None:
    """A second interaction, an unknown request and a request id that came twice change nothing."""
    made = Counted()
    made.shown("trial", "a", "r1")
    made.shown("control", "b", "r1")
    made.followed(["r1", "r1", "r2"])
    made.followed(["r1"])
    seen = made.figures()
    assert (seen.trial.shown, seen.trial.followed, seen.control.users) == (1, 1, 0)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more users than are kept nothing is counted, and the oldest answers are no longer waited for."""
    monkeypatch.setattr(counted, "USERS", 2)
    monkeypatch.setattr(counted, "WAITING", 3)
    made = Counted()
    for number, user in enumerate("abcaab"):
        made.shown("trial", user, str(number))
    made.followed("012345")
    assert (made.figures().trial.users, made.figures().trial.shown, made.figures().trial.followed) == (2, 5, 3)


def test_only_what_a_release_made_is_timed() -> None:
    """What is popular is the same by every release; of the others embedding, searching and rendering count."""
    made = Counted()
    made.timed("trial", "tower", {"features": 900.0, "embed": 1.0, "search": 2.0, "render": 1.0, "total": 950.0})
    made.timed("trial", "cold", {"search": 2.0})
    made.timed("control", "tower", {"embed": 0.0})
    seen = made.figures()
    assert (seen.took.n, seen.usual.n) == (1, 1)
    assert (seen.took.mean, seen.usual.mean) == pytest.approx((log(0.004), log(1e-6)))


def test_comparisons_without_an_order_count_as_overlap_alone() -> None:
    """Means are over those that have one."""
    made = Counted()
    made.compared(Likeness(0.5, None, None))
    made.compared(Likeness(1.0, 0.5, 0.25))
    seen = made.figures()
    assert (seen.overlap.mean, seen.order.n, seen.order.mean, seen.missing.mean) == (0.75, 1, 0.5, 0.25)
