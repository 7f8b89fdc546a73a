"""Visits: everyone comes, and comes back, in sessions."""

import numpy as np

from ratoon.data.visits import visits
from ratoon.data.world import DAYS, draw_world


def test_everyone_comes_after_they_appeared_and_comes_back() -> None:
    """Exactly as many visits as asked, in order of time, none before its user's birth, and users return on other days."""
    random = np.random.default_rng(1)
    world = draw_world(200, 400, random)
    who, day = visits(world, 10_000, random)
    assert who.shape == day.shape == (10_000,)
    assert (np.diff(day) >= 0).all()
    assert (day > world.user_birth[who]).all()
    assert day.max() < DAYS + 0.5
    assert set(who) == set(range(200))
    days_there = [len(set(np.floor(day[who == user]))) for user in range(200)]
    assert np.median(days_there) > 5


def test_visits_come_in_sessions() -> None:
    """Most of a user's visits follow the one before within a quarter of an hour; a session has about four."""
    random = np.random.default_rng(2)
    world = draw_world(200, 400, random)
    who, day = visits(world, 10_000, random)
    order = np.lexsort((day, who))
    same = np.diff(who[order]) == 0
    near = np.diff(day[order])[same] < 15 / 1440
    assert 0.65 < near.mean() < 0.85


def test_few_visits_are_spread_over_the_users() -> None:
    """With two visits per user on average nearly all users still come at least once."""
    random = np.random.default_rng(3)
    world = draw_world(500, 400, random)
    who, _ = visits(world, 1_000, random)
    assert len(set(who)) > 480
