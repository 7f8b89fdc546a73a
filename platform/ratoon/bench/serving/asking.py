"""Who asks, and for what."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ratoon.bench.serving.world import World

K = 100
ASKERS = 5_000
"""Users whose requests are sent in turns."""

FILTERS: dict[float, Mapping[str, Any]] = {
    0.01: {"column": "price", "le": 1},
    0.05: {"column": "category", "eq": "category 7"},
    0.5: {"column": "price", "le": 50},
}
"""Share of the items -> a filter that lets it through."""


def askers(world: World, count: int = ASKERS, seed: int = 51) -> list[int]:
    """Some of the users, in no order, none twice."""
    random = np.random.default_rng(seed)
    return [int(user) for user in random.permutation(world.users)[:count]]


def bodies(users: list[int], only: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """A request for each of these users."""
    more = {} if only is None else {"filter": only}
    return [{"user_id": f"u{user}", "k": K, **more} for user in users]


def another(place: int) -> Mapping[str, Any]:
    """A filter that lets 5 % of the items through, another one for each place."""
    least = 95 * np.random.default_rng([53, place]).random()
    return {"column": "price", "ge": round(least, 6), "le": round(least + 5, 6)}
