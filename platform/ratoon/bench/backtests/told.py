"""What a replay showed, policy by policy: quality with intervals, and what it cost. Pure: no clock, no file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ratoon.bench.backtests.replay import Day
from ratoon.domain.intervals import Interval, clustered

DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Told:
    """One policy over all days.

    Attributes:
        recall: recall@K with the bounds of its 95 % interval, users resampled.
        difference: the same less the first policy's, on the same questions; None for the first one.
        cpu_seconds: of all its refreshes; `share` is of the first policy's.
        scopes: scope of what was published -> how often. Other outcomes stand under their own names.
        days: recall of each day, None where nothing was asked; `spent` the CPU seconds up to the end of each.
    """

    policy: str
    questions: int
    recall: Interval
    difference: Interval | None
    cpu_seconds: float
    share: float
    scopes: Mapping[str, int]
    days: tuple[float | None, ...]
    spent: tuple[float, ...]


def told(days: Sequence[Day]) -> list[Told]:
    """The figures of each policy, in their order; nothing if nothing was asked."""
    users = [user for day in days for user in day.users]
    weights = np.array([weight for day in days for weight in day.weights], np.float64)
    if not users:
        return []
    names = list(days[0].hits)
    hits = {name: np.array([hit for day in days for hit in day.hits[name]], np.float64) for name in names}
    found: list[Told] = []
    for name in names:
        pairs = [(hits[name], np.zeros(len(users))), (hits[name], hits[names[0]])]
        alone, beside = (clustered(users, *pair, draws=DRAWS, rng=np.random.default_rng(0), weights=weights) for pair in pairs)
        spent = np.cumsum([sum(one.cpu_seconds for one in day.refreshed[name]) for day in days]).tolist()
        base = found[0].cpu_seconds if found else spent[-1]
        scopes = Counter(one.scope if one.outcome == "published" else one.outcome for day in days for one in day.refreshed[name])
        found.append(
            Told(
                name,
                len(users),
                alone,
                beside if found else None,
                spent[-1],
                spent[-1] / base if base else 0.0,
                dict(scopes),
                tuple(_recall(day, name) for day in days),
                tuple(spent),
            )
        )
    return found


def _recall(day: Day, policy: str) -> float | None:
    total = sum(day.weights)
    return sum(weight for weight, hit in zip(day.weights, day.hits[policy], strict=True) if hit) / total if total else None
