"""The interval of a paired difference: users are drawn, not rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.intervals import Interval, Values, clustered

Answers = list[tuple[str, int, int]]
"""(user, our hit, their hit) per question."""

ANSWERS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=40)


def interval(answers: Answers, seed: int = 0, draws: int = 300) -> Interval:
    users, ours, theirs = zip(*answers, strict=True)
    return clustered(users, values(ours), values(theirs), draws=draws, rng=np.random.default_rng(seed))


def values(numbers: tuple[int, ...]) -> Values:
    return np.array(numbers, np.float64)


def bounds(found: Interval) -> list[float]:
    return [found.mean, found.low, found.high, found.relative, found.relative_low, found.relative_high]


@settings(deadline=None, max_examples=50)
@given(ANSWERS, st.integers(2, 5))
def test_a_user_counts_once_however_often_they_asked(answers: Answers, times: int) -> None:
    """Asking every question several times over tells nothing new: no bound moves. Rows drawn by themselves would narrow it."""
    assert bounds(interval(answers * times)) == pytest.approx(bounds(interval(answers)))


@settings(deadline=None, max_examples=50)
@given(ANSWERS, st.randoms(use_true_random=False))
def test_the_order_of_questions_does_not_matter(answers: Answers, random: object) -> None:
    """The same questions in another order give the same interval."""
    shuffled = sorted(answers, key=lambda _: random.random())  # type: ignore[attr-defined]  # hypothesis types it as object
    assert bounds(interval(shuffled)) == pytest.approx(bounds(interval(answers)))


def test_sides_change_places() -> None:
    """Theirs - ours is ours - theirs with the sign and the bounds turned round, as near as resamples tell."""
    hits = np.random.default_rng(2).random((400, 2)) < (0.4, 0.3)
    answers = [(str(row // 2), int(ours), int(theirs)) for row, (ours, theirs) in enumerate(hits)]
    found = interval(answers, draws=20_000)
    turned = interval([(user, theirs, ours) for user, ours, theirs in answers], draws=20_000)
    assert turned.mean == pytest.approx(-found.mean)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=0.003)


def test_weights_count_questions_several_times() -> None:
    """A question of weight 2 counts as if its user had asked it twice."""
    answers = [("a", 1, 0), ("a", 0, 1), ("b", 1, 0), ("c", 0, 0)]
    users, ours, theirs = zip(*answers, strict=True)
    weights = np.array([2.0, 1.0, 1.0, 3.0])
    rng = np.random.default_rng(0)
    weighed = clustered(users, values(ours), values(theirs), draws=300, rng=rng, weights=weights)
    assert bounds(weighed) == pytest.approx(bounds(interval([answers[0], *answers, answers[3], answers[3]])))


def test_a_wider_level_is_a_wider_interval() -> None:
    """99 % of the resamples lie further apart than 80 % of them."""
    hits = np.random.default_rng(3).random((200, 2)) < 0.5
    users = [str(row) for row in range(200)]
    ours, theirs = hits.astype(np.float64).T
    wide, narrow = (
        clustered(users, ours, theirs, draws=2_000, rng=np.random.default_rng(0), level=level) for level in (0.99, 0.8)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


@settings(deadline=None, max_examples=50)
@given(ANSWERS)
def test_bounds_lie_among_the_users(answers: Answers) -> None:
    """No resample can be better or worse than its best and worst user."""
    found = interval(answers)
    by_user = {user: [a - b for u, a, b in answers if u == user] for user, _, _ in answers}
    means = [float(np.mean(gains)) for gains in by_user.values()]
    assert min(means) - 1e-9 <= found.low <= found.high <= max(means) + 1e-9


def test_one_user_is_one_observation() -> None:
    """A thousand questions of one user give no width, and questions of a thousand users do."""
    rng = np.random.default_rng(1)
    hits = [(int(ours), int(theirs)) for ours, theirs in rng.integers(0, 2, (1_000, 2))]
    alone = interval([("a", *pair) for pair in hits])
    assert alone.low == alone.mean == alone.high
    many = interval([(str(number), *pair) for number, pair in enumerate(hits)])
    assert many.low < many.mean < many.high


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of 200 worlds without a difference, where users differ from one another, about 95 % of the intervals hold zero."""
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        users = np.repeat(np.arange(60), rng.integers(1, 12, 60))
        taste = rng.normal(0, 1, 60)[users] + rng.normal(0, 0.3, len(users))
        found = clustered([str(user) for user in users], taste, np.zeros(len(users)), draws=400, rng=rng)
        covered += found.low <= 0 <= found.high
    assert 178 <= covered <= 199


def test_relative_bounds_are_shares_of_theirs() -> None:
    """Where theirs is the same for every user the relative difference is the difference over it; where it is 0, 0."""
    answers = [("a", 1, 1), ("b", 0, 1), ("c", 1, 1)]
    found = interval(answers)
    assert (found.relative, found.relative_low, found.relative_high) == pytest.approx((found.mean, found.low, found.high))
    assert interval([("a", 1, 0)]).relative == 0.0
