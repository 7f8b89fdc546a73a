"""Who asks, and for what."""

from ratoon.bench.serving.asking import FILTERS, K, another, askers, bodies
from ratoon.bench.serving.world import World


def test_askers_are_different_users(world: World) -> None:
    """None twice, the same ones for the same seed, and at most as many as there are."""
    assert sorted(askers(world)) == list(range(world.users))
    assert askers(world, 10) == askers(world, 10)
    assert askers(world, 10) != askers(world, 10, seed=1)


def test_bodies_ask_for_a_hundred() -> None:
    """By the user's id; with a filter only if one is given."""
    assert bodies([7]) == [{"user_id": "u7", "k": K}]
    assert bodies([7], FILTERS[0.05])[0]["filter"] == {"column": "category", "eq": "category 7"}


def test_another_filter_for_each_request() -> None:
    """None twice, each of a twentieth of the prices."""
    made = [another(place) for place in range(300)]
    assert len({one["ge"] for one in made}) == 300
    assert all(0 <= one["ge"] <= 95 and abs(one["le"] - one["ge"] - 5) < 1e-5 for one in made)
