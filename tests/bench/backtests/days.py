"""Days of a replay with figures that are easy to find again."""

from datetime import UTC, datetime, timedelta

from ratoon.bench.backtests import Day
from ratoon.bench.backtests.replay import Refreshed

T0 = datetime(2024, 1, 1, tzinfo=UTC)


def refreshed(*seconds: float, outcome: str = "published", scope: str = "rows") -> tuple[Refreshed, ...]:
    return tuple(Refreshed(T0, outcome, scope, "because", each) for each in seconds)


def day(number: int, hits: dict[str, tuple[bool, ...]], seconds: dict[str, tuple[Refreshed, ...]]) -> Day:
    """A day whose questions are of a user each and count 1."""
    count = len(next(iter(hits.values())))
    users = tuple(f"u{number}-{place}" for place in range(count))
    return Day(T0 + timedelta(days=number), users, (1.0,) * count, hits, seconds)


DAYS = [
    day(
        0,
        {"dense": (True, False, True, False), "adaptive": (True, True, True, False)},
        {
            "dense": refreshed(10.0, 10.0, scope="dense"),
            "adaptive": refreshed(1.0) + refreshed(0.5, outcome="skipped", scope="skip"),
        },
    ),
    day(1, {"dense": (), "adaptive": ()}, {"dense": (), "adaptive": ()}),
    day(
        2,
        {"dense": (False, False), "adaptive": (True, False)},
        {"dense": refreshed(20.0, scope="dense"), "adaptive": refreshed(2.5, outcome="refused")},
    ),
]
