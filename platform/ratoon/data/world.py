"""A drifting world: hidden tastes, and who and what exists when. The truth behind `synth`, for oracles in tests.

Tastes are C clusters. An item belongs to one; a user mixes a main cluster with the fashion of the day, moves once to
another that is then in fashion, and fashion itself drifts. It does not know which interactions come of it.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

DAYS = 100.0
"""Length of the world; time inside it is in days from 0."""

MOST_CLUSTERS = 12
FIRST_SHARE = 0.25
"""Share of users and items that exist at the start; 60 % do after 60 % of the time, all by `LAST_BIRTH`."""

LAST_BIRTH = 0.97 * DAYS
LOYALTY = 0.75
"""Weight of a user's own taste; the rest follows fashion."""

TURN_DAYS = 6.0
"""How gently a taste moves: it is half-way at its turning point and nine tenths done 13 days later."""

NEWNESS_DAYS = 15.0
"""A new item's extra pull falls by e in this time."""


@dataclass(frozen=True, slots=True)
class World:
    """The hidden state of U users, I items and C clusters. Births and turns are in days from the start, ascending births.

    Attributes:
        item_cluster: (I,) the cluster of each item.
        item_birth: (I,) when it appears.
        item_pull: (I,) its lasting popularity, > 0.
        user_birth: (U,) when the user appears.
        user_energy: (U,) how active the user is, > 0.
        user_taste: (U, 2) main cluster before and after the turn.
        user_turn: (U,) when the taste turns; may lie beyond the end.
        swing: (C, 3) fashion: amplitude, cycles over the whole time, phase in radians.
    """

    item_cluster: Ints
    item_birth: Floats
    item_pull: Floats
    user_birth: Floats
    user_energy: Floats
    user_taste: Ints
    user_turn: Floats
    swing: Floats

    @property
    def clusters(self) -> int:
        """C, the number of clusters."""
        return len(self.swing)

    def fashion(self, day: float) -> Floats:
        """(C,) how popular each cluster is that day; sums to 1."""
        return np.asarray(_fashion(self.swing, np.array([day]))[0])

    def taste(self, users: Ints, day: float) -> Floats:
        """(n, C) what each of n users would pick that day; rows sum to 1."""
        turned = 1 / (1 + np.exp((self.user_turn[users] - day) / TURN_DAYS))
        mix = np.tile((1 - LOYALTY) * self.fashion(day), (len(users), 1))
        rows = np.arange(len(users))
        before, after = self.user_taste[users].T
        np.add.at(mix, (rows, before), LOYALTY * (1 - turned))
        np.add.at(mix, (rows, after), LOYALTY * turned)
        return mix

    def main(self, users: Ints, day: float) -> Ints:
        """(n,) the main cluster of each of n users that day."""
        return np.asarray(self.taste(users, day).argmax(axis=1), dtype=np.int64)

    def pull(self, day: float) -> Floats:
        """(I,) how strongly each item is picked within its cluster that day; 0 before it appears."""
        age = day - self.item_birth
        return np.where(age >= 0, self.item_pull * (0.3 + np.exp(-np.maximum(age, 0) / NEWNESS_DAYS)), 0.0)


def draw_world(users: int, items: int, random: np.random.Generator) -> World:
    """A world with U = `users` and I = `items`, both at least 1; every cluster has an item from the start."""
    clusters = min(MOST_CLUSTERS, max(1, isqrt(items) // 4))
    swing = np.column_stack(
        [random.uniform(0.4, 1.2, clusters), random.uniform(0.3, 1.2, clusters), random.uniform(0, 2 * np.pi, clusters)]
    )
    item_cluster = np.concatenate([np.arange(clusters), random.integers(0, clusters, items - clusters)])
    user_birth, user_turn = _births(users, 1, random), random.uniform(0.1 * DAYS, 1.4 * DAYS, users)
    taste = [pick(_fashion(swing, days), random) for days in (user_birth, user_turn)]
    return World(
        item_cluster=item_cluster,
        item_birth=_births(items, clusters, random),
        item_pull=random.lognormal(0.0, 1.0, items),
        user_birth=user_birth,
        user_energy=random.lognormal(0.0, 0.6, users),
        user_taste=np.column_stack(taste),
        user_turn=user_turn,
        swing=swing,
    )


def pick(chances: Floats, random: np.random.Generator) -> Ints:
    """(n,) one column per row of `chances` (n, C), whose rows sum to 1."""
    above = random.uniform(size=(len(chances), 1)) > np.cumsum(chances, axis=1)[:, :-1]
    return np.asarray(above.sum(axis=1), dtype=np.int64)


def _fashion(swing: Floats, days: Floats) -> Floats:
    """(n, C) each cluster's popularity on n days; rows sum to 1."""
    amplitude, cycles, phase = swing.T
    weight = np.exp(amplitude * np.sin(2 * np.pi * cycles * days[:, None] / DAYS + phase))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _births(count: int, at_least: int, random: np.random.Generator) -> Floats:
    """(count,) ascending; `FIRST_SHARE` (or `at_least`) at 0, 60 % by 60 % of the time, the others by `LAST_BIRTH`."""
    rank = (np.arange(count) + random.uniform(0, 1, count)) / count
    days = np.interp(rank, [FIRST_SHARE, 0.6, 1.0], [0.0, 0.6 * DAYS, LAST_BIRTH])
    days[:at_least] = 0.0
    return np.sort(days)
