"""How often a key may ask."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from ratoon.serving.keys.rates import Limit, Rates

MOMENTS = st.lists(st.integers(0, 40).map(lambda quarters: quarters / 4), max_size=60).map(
    lambda gaps: [1_000 + sum(gaps[: place + 1]) for place in range(len(gaps))]
)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("100/second", Limit(100, 1)),
        ("5000 per hour", Limit(5000, 3600)),
        ("7/5 minutes", Limit(7, 300)),
        ("1/day", Limit(1, 86400)),
    ],
)
def test_rates_are_read(text: str, limit: Limit) -> None:
    """A rate is read in the notation of the `limits` library."""
    assert Limit.parse(text) == limit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "couldn't parse rate limit string ''"),
        ("fast", "couldn't parse rate limit string 'fast'"),
        ("1/fortnight", "no granularity matched for fortnight"),
        ("0/second", "one rate of at least 1 is asked, not '0/second'"),
        ("1/second;5/minute", "one rate of at least 1 is asked, not '1/second;5/minute'"),
        ("9" * 5_000 + "/second", "Exceeds the limit"),
    ],
)
def test_what_is_no_rate_is_refused(text: str, said: str) -> None:
    """Anything but one rate of at least one request is a ValueError, also two rates, of which none would be dropped silently."""
    with pytest.raises(ValueError, match=said):
        Limit.parse(text)


@given(MOMENTS, st.integers(1, 6), st.sampled_from([1, 2, 4]))
def test_the_count_is_that_of_the_library(moments: list[float], amount: int, seconds: int) -> None:
    """Every request is let through or not, and has as many left, as the library's sliding window counter says."""
    clock, reference = Clock(), Clock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("limits.storage.memory.time", SimpleNamespace(time=reference))  # it takes no clock
        ours, theirs = Rates(clock), SlidingWindowCounterRateLimiter(MemoryStorage())
        rate = RateLimitItemPerSecond(amount, seconds)
        for moment in moments:
            clock.seconds = reference.seconds = moment
            standing = ours.hit("key", Limit(amount, seconds))
            assert standing.allowed == theirs.hit(rate, "key")
            assert standing.remaining == theirs.get_window_stats(rate, "key").remaining


@given(MOMENTS, st.integers(1, 6), st.sampled_from([1, 3, 60]))
def test_who_waits_as_told_is_let_in(moments: list[float], amount: int, seconds: int) -> None:
    """After a refusal the stated number of seconds, at least one and at most two windows, is enough."""
    clock = Clock()
    rates = Rates(clock)
    for moment in moments:
        clock.seconds = max(clock.seconds, moment)
        standing = rates.hit("key", Limit(amount, seconds))
        assert 1 <= standing.reset <= 2 * seconds
        if not standing.allowed:
            clock.seconds += standing.reset
            assert rates.hit("key", Limit(amount, seconds)).allowed


def test_keys_are_counted_apart() -> None:
    """What one key does takes nothing from another."""
    rates = Rates(Clock())
    assert [rates.hit(key, Limit(1, 1)).allowed for key in ("a", "a", "b", "b")] == [True, False, True, False]
