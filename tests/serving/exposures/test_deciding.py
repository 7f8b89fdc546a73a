"""Slots become decisions."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from ratoon.domain.exploration import Exploration
from ratoon.domain.offpolicy import Decisions
from ratoon.serving.exposures import Kept
from ratoon.serving.exposures.deciding import Scored, decided
from ratoon.serving.exposures.exposure import kept, row_of
from ratoon.serving.exposures.joining import followed
from tests.serving.exposures.answers import drawn, happened

ITEMS = ("a", "b", "c", "d", "e", "f")
EXPLORATION = Exploration(2, 0.4, 3)


def shown(*picked: str, user: str | None = "u", share: float = 1.0) -> Kept:
    """An answer of three of ITEMS whose last two positions showed just these; d, e and f are the pool."""
    for number in range(10_000):
        one = drawn(f"r{number}", 0, user or "", EXPLORATION, ITEMS, 3)
        if tuple(item for item, _ in one.found[1:]) == picked:
            return kept((*row_of(one, share)[:3], user, *row_of(one, share)[4:]))
    raise AssertionError(picked)


def decisions(exposures: Sequence[Kept], target: Sequence[float] | None, *clicked: tuple[int, str, str]) -> Decisions:
    scored = Scored(None if target is None else np.array(target), np.arange(5.0))
    events = happened(*((1, exposures[at].request_id, item, kind) for at, item, kind in clicked))
    found = followed(exposures, events, timedelta(hours=1))
    return decided(exposures, [scored] * len(exposures), found, ("click",), np.random.default_rng(0))[0]


def test_what_was_shown_and_what_the_target_shows() -> None:
    """A target that likes e best, then d, shows e in the upper slot and d in the lower one, and no item twice."""
    found = decisions([shown("b", "c"), shown("e", "c"), shown("e", "d"), shown("d", "e")], [0.2, 0.1, 0.5, 0.9, 0.0])
    assert found.propensities == pytest.approx([0.6, 0.6, 0.4 / 3, 0.6, 0.4 / 3, 0.4 / 3, 0.4 / 3, 0.4 / 3])
    assert found.targets.tolist() == [0, 0, 1, 0, 1, 1, 0, 0]
    assert found.unsupported.tolist() == [0] * 8


def test_the_candidate_ranked_there_wins_ties() -> None:
    """A target to which all are alike leaves each slot to the candidate that was ranked there."""
    assert decisions([shown("b", "c"), shown("e", "c")], [0.0] * 5).targets.tolist() == [1, 1, 0, 1]


def test_the_log_as_its_own_target() -> None:
    """Without scores the target draws as the log did: its chances are the propensities."""
    found = decisions([shown("b", "c"), shown("e", "d")], None)
    assert found.targets == pytest.approx(found.propensities)


def test_rewards() -> None:
    """A click on what a slot showed is 1; one on what stands elsewhere, on another answer's item, or of another type is 0."""
    one, other = shown("b", "d"), shown("e", "f", share=0.25)
    found = decisions([one, other], [0.0] * 5, (0, "d", "click"), (0, "a", "click"), (0, "b", "view"), (1, "d", "click"))
    assert found.rewards.tolist() == [0, 1, 0, 0]
    assert found.weights.tolist() == [1, 1, 4, 4]


def test_who_is_not_known_is_alone() -> None:
    """Decisions of one answer go together; two answers to nobody are two users."""
    found = decisions([shown("b", "c", user=None), shown("e", "d", user=None), shown("b", "d", user="u")], [0.0] * 5)
    assert found.users[0] == found.users[1] != found.users[2] == found.users[3]
    assert found.users[4:] == ["u", "u"]


def test_choices_that_the_target_does_not_know() -> None:
    """What has no score in the target is never shown by it, and the reward model still gets numbers."""
    exposures = [shown("b", "c"), shown("e", "d")]
    scored = Scored(np.array([-np.inf, -np.inf, 1.0, -np.inf, 0.0]), np.zeros(5))
    found, predicted = decided(exposures, [scored] * 2, {}, None, np.random.default_rng(0))
    assert found.targets.tolist() == [0, 0, 0, 0]
    assert np.isfinite(predicted.shown).all()
    assert np.isfinite(predicted.target).all()
