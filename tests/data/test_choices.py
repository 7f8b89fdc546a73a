"""Choices: new to the user, born before they are picked, and by taste, even where items run out."""

import numpy as np
import pytest

from ratoon.data.choices import TICKS, choose
from ratoon.data.visits import visits
from ratoon.data.world import DAYS, draw_world


@pytest.mark.parametrize(("users", "items", "events"), [(300, 600, 9_000), (20, 12, 120), (1, 40, 20), (40, 2, 40), (2, 1, 1)])
def test_nobody_chooses_twice_nor_too_early(users: int, items: int, events: int) -> None:
    """Every visit gets an item that its user has not had and that exists, also where half of all pairs are used."""
    random = np.random.default_rng(4)
    world = draw_world(users, items, random)
    what, who, day = choose(world, *visits(world, events, random), random)
    assert len(what) == len(who) == len(day) == events
    assert len(set(zip(who, what, strict=True))) == events
    assert (world.item_birth[what] < day).all()
    assert (world.user_birth[who] < day).all()
    assert day.max() < DAYS + 0.5


def test_visits_with_nothing_new_come_again_later() -> None:
    """A user with more visits on the first day than there are items gets the others once new items exist."""
    random = np.random.default_rng(5)
    world = draw_world(1, 40, random)
    there = int((world.item_birth == 0).sum())
    visits_at_once = np.full(20, 0.1)
    what, _, day = choose(world, np.zeros(20, dtype=np.int64), visits_at_once, random)
    assert there < 20
    assert (day <= DAYS / TICKS).sum() == there
    assert (world.item_birth[what] < day).all()


def test_choices_follow_taste() -> None:
    """In a large catalogue most picks lie in the user's main cluster."""
    random = np.random.default_rng(6)
    world = draw_world(50, 4_000, random)
    who = random.integers(0, 50, 1_000)
    what, who, _ = choose(world, who, np.full(1_000, 0.1), random)
    own = world.item_cluster[what] == world.main(who, 0.0)
    assert own.mean() > 0.7
