"""The hidden world: who exists when, what they like, and that both change."""

import numpy as np
import pytest

from ratoon.data.world import DAYS, LAST_BIRTH, draw_world


@pytest.mark.parametrize(("users", "items"), [(1, 1), (3, 5), (50, 40), (943, 1682)])
def test_sixty_percent_exist_after_sixty_percent_of_the_time(users: int, items: int) -> None:
    """A quarter exists at the start, 60 % at 60 % of the time, all before the end; births ascend."""
    world = draw_world(users, items, np.random.default_rng(1))
    for births, count in ((world.user_birth, users), (world.item_birth, items)):
        assert births.shape == (count,)
        assert births[0] == 0
        assert births[-1] <= LAST_BIRTH
        assert (np.diff(births) >= 0).all()
        if count >= 40:
            assert abs((births == 0).mean() - 0.25) < 0.05
            assert abs((births <= 0.6 * DAYS).mean() - 0.6) < 0.05


def test_every_cluster_has_something_from_the_start() -> None:
    """At the start every cluster has an item that can be picked; unborn items have no pull, new ones more than old."""
    world = draw_world(10, 2000, np.random.default_rng(1))
    pull = world.pull(0.0)
    assert set(world.item_cluster[pull > 0]) == set(range(world.clusters))
    assert (pull[world.item_birth > 0] == 0).all()
    assert (world.pull(DAYS) > 0).all()
    born = int(np.searchsorted(world.item_birth, 10.0))
    assert world.pull(world.item_birth[born])[born] > 2 * world.pull(DAYS)[born]


def test_tastes_are_mixtures_that_turn() -> None:
    """Rows of taste sum to 1; a user's main cluster is the first long before the turn and the second long after it."""
    world = draw_world(300, 2000, np.random.default_rng(2))
    users = np.flatnonzero((world.user_turn > 35) & (world.user_turn < 65))
    for day in (0.0, 50.0, DAYS):
        taste = world.taste(users, day)
        assert taste.shape == (len(users), world.clusters)
        np.testing.assert_allclose(taste.sum(axis=1), 1.0)
    np.testing.assert_array_equal(world.main(users, 0.0), world.user_taste[users, 0])
    np.testing.assert_array_equal(world.main(users, DAYS), world.user_taste[users, 1])
    assert (world.main(users, 0.0) != world.main(users, DAYS)).mean() > 0.5


def test_fashion_drifts() -> None:
    """The clusters' popularity sums to 1 each day and moves by a tenth and more over the whole time."""
    world = draw_world(10, 2000, np.random.default_rng(3))
    first, last = world.fashion(0.0), world.fashion(DAYS)
    assert first.sum() == pytest.approx(1.0)
    assert last.sum() == pytest.approx(1.0)
    assert np.abs(first - last).sum() > 0.1
