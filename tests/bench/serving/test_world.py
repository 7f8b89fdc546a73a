"""A world is made once, is copied apart, and its releases are what they say."""

from pathlib import Path

import numpy as np

from ratoon.bench.serving.crowd import item_ids
from ratoon.bench.serving.editions import SHARES
from ratoon.bench.serving.inputs import SCHEMA
from ratoon.bench.serving.world import SEAL, World, open_world
from ratoon.features.online import OnlineUsers
from ratoon.features.online.opening import Place


def test_a_world_is_made_once(own: World) -> None:
    """The second time it is only opened; one that is not whole, or of another size, is made again."""
    said: list[str] = []
    (own.home / SEAL).write_text('{"format": 1, "items": 2000, "users": 250}')
    assert open_world(own.home, own.items, lambda what, _: said.append(what), own.users) == own
    assert not said
    (own.home / SEAL).unlink()
    again = open_world(own.home, own.items, lambda what, _: said.append(what), own.users)
    assert said
    assert again.registry().get(None).sequence == 1


def test_what_is_published_in_a_copy_stays_there(world: World, own: World) -> None:
    """The copy is served from its own files, and the world it was copied from goes on as it was."""
    first = world.registry().get(None)
    release = own.publish(1)
    assert (release.sequence, release.parent) == (2, first.id)
    assert world.registry().get(None) == first
    assert Place.load(own.home / "features" / "online.json").address == str(own.home / "features" / "online.db")


def test_editions_move_the_share_that_they_say(world: World) -> None:
    """All other items keep their vectors bit for bit, and popularity stays as it was for all."""
    ids = item_ids(np.arange(world.items))
    base = world.opened(0)[1].vectors(ids)
    for edition, share in enumerate(SHARES):
        vectors = world.opened(edition)[1].vectors(ids)
        assert (vectors != base).any(axis=1).sum() == round(share * world.items)
        assert np.array_equal(vectors[:, 64:], base[:, 64:])


def test_users_have_features_and_a_past(world: World) -> None:
    """Their stored row is whole: taste of length 1, the newest twenty of the fifty items that the log knows, newest last."""
    log = world.log()
    row = OnlineUsers(world.home / "features", log).users(["u9"], SCHEMA)
    (said,) = row.to_pylist()
    seen = log.seen("u9")
    log.close()
    assert len(seen) == 50
    assert said["recent_items"] == seen[-20:]
    assert abs(np.linalg.norm(said["taste"]) - 1) < 1e-5
    assert said["country"].startswith("country")
    assert 18 <= said["age"] <= 80


def test_the_server_has_nothing_to_catch_up_with(own: World) -> None:
    """Every view is materialised up to the log's end, so that a start does not value every user anew."""
    log = own.log()
    assert OnlineUsers(own.home / "features", log).catch_up() == 0
    log.close()


def test_the_environment_names_the_home(world: World) -> None:
    """Home and settings are the world's."""
    assert Path(world.environment["RATOON_HOME"]) == world.home
    assert Path(world.environment["RATOON_CONFIG"]).exists()
