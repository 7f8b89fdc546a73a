"""A release that is everybody's is taken back for certain harm, and for no other."""

import numpy as np
import pytest

from ratoon.domain.guard import Limits, Seen, broken
from ratoon.domain.sequential import Followed, Sample

LIMITS = Limits(3_600.0, least=200)


def sample(values: np.ndarray) -> Sample:
    return Sample(len(values), float(values.sum()), float((values**2).sum()))


def users(rate: float, n: int, seed: int) -> Followed:
    """Users of one answer each."""
    followed = int((np.random.default_rng(seed).random(n) < rate).sum())
    return Followed(n, n, followed, n, followed, followed)


def ones(share: float, n: int) -> Sample:
    return sample((np.arange(n) < share * n).astype(float))


def test_failures_are_judged_from_the_first_ones() -> None:
    """A few failures in a row are enough, one in a thousand is none, and what failed before too is not this release's doing."""
    assert broken(LIMITS, Seen(), Seen(10, 6)) == ("6 of 10 answers failed; 1.00% may",)
    assert broken(LIMITS, Seen(1_000), Seen(10_000, 10)) == ()
    assert broken(LIMITS, Seen(100, 60), Seen(100, 60)) == ()


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (
            Seen(popular=ones(0.1, 2_000)),
            Seen(popular=ones(0.5, 2_000)),
            "50.0% of users are shown what is popular instead of 10.0%",
        ),
        (Seen(took=sample(np.full(500, -7.0))), Seen(took=sample(np.full(500, -5.0))), "stages take 7.39 times as long; 3 times"),
        (
            Seen(followed=users(0.3, 5_000, 0)),
            Seen(followed=Followed(5_000, 5_000, 500, 5_000, 500, 500)),
            "0.1000 interactions per answer against 0.2998; a loss of 20% may be",
        ),
    ],
    ids=["popular", "latency", "interactions"],
)
def test_certain_harm_is_a_reason(before: Seen, now: Seen, reason: str) -> None:
    """Far beyond a limit, on enough answers, is said with its figures; the other way round, or on few answers, nothing is."""
    (said,) = broken(LIMITS, before, now)
    assert said.startswith(reason)
    assert broken(LIMITS, now, before) == ()
    assert broken(Limits(3_600.0, least=6_000), before, now) == ()


def test_equals_are_left_alone() -> None:
    """Of releases that are as good as the one before, however often looked at, none is taken back."""
    for world in range(40):
        rng = np.random.default_rng(world)
        took, popular = rng.normal(-7, 0.5, 4_000), (rng.random(4_000) < 0.2).astype(float)
        before = Seen(2_000, 2, sample(popular[:2_000]), sample(took[:2_000]), users(0.1, 2_000, world))
        for n in (300, 800, 2_000):
            now = Seen(n, 3, sample(popular[2_000 : 2_000 + n]), sample(took[2_000 : 2_000 + n]), users(0.1, n, 999 + world))
            assert broken(LIMITS, before, now) == ()


def test_a_loss_that_may_be_small_is_let_pass() -> None:
    """Many more popular answers than before, but perhaps not more than is let pass, is no reason; nor with many judges."""
    before, now = Seen(popular=ones(0.1, 300)), Seen(popular=ones(0.34, 300))
    assert broken(LIMITS, before, now) == ()
    far = Seen(popular=ones(0.75, 300))
    assert broken(LIMITS, before, far)
    assert broken(LIMITS, before, Seen(popular=ones(0.55, 300)), judges=10**9) == ()
