"""Who is answered by a release on trial, and what is made of its figures."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.errors import UsageError
from ratoon.domain.sequential import Followed, Sample
from ratoon.domain.trial import Figures, Guards, Terms, Trial, failing, judged

BEGUN = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = Terms("canary", 20, Guards(least=100))
SHADOW = Terms("shadow", guards=Guards(least=100))


def trial(percent: float = 20, surface: str = "home", release: str = "ab" * 32) -> Trial:
    return Trial(surface, release, "cd" * 32, BEGUN, Terms("canary", percent))


def sample(values: Sequence[float]) -> Sample:
    return Sample(len(values), sum(values), sum(value * value for value in values))


def followed(pairs: Sequence[tuple[int, int]]) -> Followed:
    """Of users who were shown and followed so many answers each."""
    shown, had = [n for n, _ in pairs], [y for _, y in pairs]
    products = sum(n * y for n, y in pairs)
    return Followed(len(pairs), sum(shown), sum(had), sum(n * n for n in shown), sum(y * y for y in had), products)


@pytest.mark.parametrize("percent", [1, 5, 50, 99])
def test_a_canary_has_its_share_of_users(percent: float) -> None:
    """Of 20,000 users as many are chosen as a fair draw gives, within five standard deviations."""
    share, users = percent / 100, 20_000
    chosen = sum(trial(percent).chooses(f"user {number}") for number in range(users))
    assert abs(chosen - share * users) <= 5 * sqrt(users * share * (1 - share))


def test_who_is_chosen_does_not_change() -> None:
    """The same users, whichever process asks; another trial or surface has others."""
    users = [f"user {number}" for number in range(2_000)]
    first = {user for user in users if trial().chooses(user)}
    again = Trial.from_json(trial().to_json())
    assert again == trial()
    assert {user for user in users if again.chooses(user)} == first
    # Fixed, for processes of other versions and machines answer the same users.
    assert sorted(first)[:3] == ["user 0", "user 1003", "user 1006"]
    for other in (trial(release="ee" * 32), trial(surface="ads"), replace(trial(), begun=BEGUN.replace(hour=13))):
        both = len(first & {user for user in users if other.chooses(user)})
        assert abs(both - 80) <= 5 * sqrt(80)


@given(user=st.text(), percent=st.floats(0.01, 99.9))
def test_a_larger_share_keeps_who_was_chosen(user: str, percent: float) -> None:
    """The hash does not know the share: whoever is chosen at one is chosen at each larger one, and any text is a user."""
    small, large = trial(percent / 2), trial(percent)
    assert large.chooses(user) or not small.chooses(user)


def test_terms_are_read_from_the_command_line() -> None:
    """`shadow`, and `canary` with a share that leaves somebody to compare with."""
    assert Terms.parse("shadow") == Terms("shadow")
    assert Terms.parse("canary:2.5") == Terms("canary", 2.5)


@pytest.mark.parametrize(
    "text", ["", "canary", "canary:", "canary:0", "canary:100", "canary:-1", "canary:nan", "shadow:5", "x:5"]
)
def test_other_terms_are_refused(text: str) -> None:
    """With what would be right."""
    with pytest.raises(
        UsageError, match="--trial: expected shadow, or canary:PERCENT with more than 0 and less than 100 percent"
    ):
        Terms.parse(text)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"errors": 0.1}, "errors: expected above 0 and below 0.1, found 0.1"),
        ({"latency": 0.5}, "latency: expected 1 or more, found 0.5"),
        ({"overlap": 1.0}, "overlap: expected at least 0 and below 1, found 1.0"),
        ({"loss": -0.1}, "loss: expected at least 0 and below 1, found -0.1"),
        ({"alpha": 0.0}, "alpha: expected above 0 and below 1, found 0.0"),
        ({"least": 1}, "least: expected 2 or more, found 1"),
    ],
)
def test_guards_that_guard_nothing_are_refused(wrong: dict[str, float], said: str) -> None:
    """Each with its range."""
    with pytest.raises(UsageError, match=said):
        Guards(**wrong)  # type: ignore[arg-type]


def test_what_is_tried_is_told() -> None:
    """People read what is tried, since when, for whom, and how it ends."""
    assert trial().told() == (
        "release abababababab is on trial since 2026-03-01 12:00 UTC, in canary for 20 % of users: "
        "`ratoon trial promote` publishes it, `ratoon trial end` forgets it"
    )
    assert "in shadow:" in replace(trial(), terms=SHADOW).told()
    assert json.loads(trial().to_json())["terms"]["percent"] == 20


def test_failures_end_a_trial_soon_and_not_by_chance() -> None:
    """Two of the first two are enough; one never is, nor are as many as is let pass of many."""
    assert judged(SHADOW, Figures(answers=2, errors=2)).call == "fall back"
    assert judged(SHADOW, Figures(answers=2, errors=2)).reasons == ("2 of 2 answers failed; 0.10% may",)
    assert not failing(Guards(), 1, 1)
    assert not failing(Guards(), 5_000, 5)
    rng, fallen = np.random.default_rng(0), 0
    for _ in range(300):
        errors = np.cumsum(rng.random(5_000) < Guards().errors)
        fallen += any(
            failing(Guards(), int(place) + 1, int(errors[place])) for place in np.flatnonzero(np.diff(errors, prepend=0))
        )
    assert fallen / 300 <= Guards().alpha / 3 + 0.02


def test_slow_stages_end_a_trial() -> None:
    """Three times as long where twice is let pass ends it, half as long again does not, nor anything before enough is seen."""
    rng = np.random.default_rng(1)
    usual = sample(rng.normal(log(1e-4), 0.4, 400).tolist())
    for times, call in ((3.0, "fall back"), (1.5, "go on")):
        took = sample(rng.normal(log(1e-4 * times), 0.4, 400).tolist())
        assert judged(CANARY, Figures(took=took, usual=usual)).call == call
    slow = Figures(took=sample(rng.normal(log(3e-4), 0.4, 400).tolist()), usual=usual)
    assert judged(CANARY, slow).reasons[0].endswith("times as long; 2 times may be")
    assert judged(CANARY, replace(slow, usual=sample([log(1e-4)] * 99))).call == "go on"


def test_a_shadow_that_answers_otherwise_is_ended_and_one_that_resembles_is_ready() -> None:
    """By the share of candidates that both would show; while it may be either, the trial goes on."""
    timed = Figures(took=sample([-9.0] * 400), usual=sample([-9.0] * 400))
    bad, good, few = sample([0.0] * 400), sample([0.4, 0.6] * 200), sample([0.0] * 99)
    assert judged(SHADOW, replace(timed, overlap=bad)).reasons == ("0.0% of candidates are the same; 10.0% must be",)
    assert judged(SHADOW, replace(timed, overlap=good)).call == "ready"
    assert judged(SHADOW, replace(timed, overlap=few)).call == "go on"
    assert judged(SHADOW, replace(timed, overlap=sample([0.0, 0.2] * 100))).call == "go on"
    assert judged(SHADOW, Figures(overlap=good)).call == "go on"  # nobody knows yet how long it takes


def looks(rng: np.random.Generator, rate: float, users: int, spread: float = 0.1) -> np.ndarray:
    """Users who see three answers each, and like them more or less: how many each followed."""
    own = np.clip(rng.normal(rate, spread, users), 0, 1)
    return rng.binomial(3, own)


def seen(trial_had: np.ndarray, control_had: np.ndarray) -> Figures:
    timed = sample([-9.0] * 400)
    sides = [followed([(3, int(had)) for had in side]) for side in (trial_had, control_had)]
    return Figures(took=timed, usual=timed, trial=sides[0], control=sides[1])


def fell(rng: np.random.Generator, rate: float, users: int = 1_500) -> bool:
    """Whether a canary with this rate, against .3, falls back at any of 60 looks."""
    ours, theirs = looks(rng, rate, users), looks(rng, 0.3, 4 * users)
    steps = range(users // 60, users + 1, users // 60)
    return any(judged(CANARY, seen(ours[:step], theirs[: 4 * step])).call == "fall back" for step in steps)


def test_an_equal_canary_seldom_falls_back_however_often_it_is_looked_at() -> None:
    """Where the true loss is just what is let pass, at most alpha of all trials fall back at any of 60 looks."""
    rng = np.random.default_rng(2)
    assert sum(fell(rng, 0.27) for _ in range(25)) <= 2


def test_a_worse_canary_falls_back() -> None:
    """Where users follow a third less, it is found out; the reason names both rates."""
    rng = np.random.default_rng(3)
    assert sum(fell(rng, 0.2) for _ in range(20)) >= 19
    worse = judged(CANARY, seen(looks(rng, 0.1, 500), looks(rng, 0.3, 2_000)))
    assert worse.call == "fall back"
    assert "interactions per answer against" in worse.reasons[0]


def test_a_canary_that_is_no_worse_is_ready() -> None:
    """Once the loss is certainly less than is let pass it may be promoted; from few users nothing is concluded."""
    rng = np.random.default_rng(4)
    assert judged(CANARY, seen(looks(rng, 0.35, 3_000), looks(rng, 0.3, 12_000))).call == "ready"
    assert judged(CANARY, seen(looks(rng, 0.0, 99, 0.0), looks(rng, 0.9, 12_000))).call == "go on"
    assert judged(CANARY, Figures()).call == "go on"


def test_users_are_what_is_drawn() -> None:
    """Users who all follow everything or nothing make the rate as uncertain as their number does, not that of their answers."""
    alike = followed([(10, 10 * (number % 2)) for number in range(400)])
    single = followed([(1, number % 2) for number in range(400)])
    assert alike.rate == single.rate == 0.5
    assert single.variance == pytest.approx(0.25 / 400, rel=0.02)
    assert alike.variance == pytest.approx(single.variance, rel=0.02)


def test_more_judges_need_more_certainty() -> None:
    """Processes that judge by figures of their own share alpha."""
    both = Figures(answers=45, errors=2)
    assert [judged(SHADOW, both, judges).call for judges in (1, 8)] == ["fall back", "go on"]
