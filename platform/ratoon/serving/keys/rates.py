"""How often a key may ask: rates in the notation of the `limits` library, counted in this process.

The algorithm is that library's sliding window counter (the last fixed window counts by the share of it that is still within
one span of now): two numbers per key, however high its rate. Its own in-memory counters take 9 us of CPU a hit and 6 us more
to say what is left, start a thread every 10 ms under load and read the wall clock; these take 1.4 us and any clock.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import floor
from typing import NamedTuple, Self

from limits import parse_many


@dataclass(frozen=True, slots=True)
class Limit:
    """So many requests in so many seconds, both from 1."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `100/second`, `5000 per hour` or `100/5 minutes`.

        Raises:
            ValueError: it is none of these, several rates at once, or none at all.
        """
        rates = parse_many(text)
        if len(rates) != 1 or rates[0].amount < 1:
            raise ValueError(f"one rate of at least 1 is asked, not {text!r}")
        return cls(rates[0].amount, rates[0].get_expiry())


class Standing(NamedTuple):
    """What a key may still do.

    Attributes:
        allowed: whether this request is within the limit.
        remaining: how many more may come now.
        reset: whole seconds, at least 1: if it was not allowed, until one request is again; else until the window ends.
    """

    allowed: bool
    remaining: int
    reset: int


class Rates:
    """Counts requests per key, from one thread. Each process counts for itself.

    Args:
        monotonic: seconds from any beginning; never goes back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._windows: dict[str, tuple[float, int, int]] = {}

    def hit(self, key: str, limit: Limit) -> Standing:
        """Count one request of `key`, unless its limit is reached. A key has one limit for as long as it lives."""
        span, amount = limit.seconds, limit.amount
        window, into = divmod(self._monotonic(), span)
        last, before, current = self._windows.get(key, (window, 0, 0))
        if last != window:
            before, current = (current if last == window - 1 else 0), 0
        left = amount - floor(before * (span - into) / span + current)
        if left < 1:
            self._windows[key] = (window, before, current)
            return Standing(False, 0, _until_room(before, current, amount, span, into))
        self._windows[key] = (window, before, current + 1)
        return Standing(True, left - 1, int(span - into) + 1)


def _until_room(before: int, current: int, amount: int, span: int, into: float) -> int:
    if current >= amount:  # nothing gives way before the next window begins
        return int(span - into) + 1
    # Room for one is where before * (1 - x / span) + current falls below amount; x counts from the window's beginning.
    return int(span * (before - amount + current) / before - into) + 1
