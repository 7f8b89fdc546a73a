"""What one worker acknowledges, in the answers of another; here two applications in one process over one log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.adopt import Live, Slot, adopt, prepare
from ratoon.serving import create_app
from ratoon.serving.board import Board
from tests.fakes.serving_world import World, asking, ids, open_fake_towers

KNOWN = {"user_id": "known", "k": 3}
NEVER = 3_600.0


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[World, World]]:
    board = Board(2)
    worlds = [World.at(tmp_path, place=place, poll_seconds=NEVER) for place in board.places]
    for world in worlds:
        world.registry.release(1)
        world.online.known.add("known")
    yield worlds[0], worlds[1]
    for world in worlds:
        world.log.close()


def test_an_item_and_its_removal_are_in_the_next_answer(two: tuple[World, World]) -> None:
    """Without any look at the log by itself, a worker shows at its next answer what another one was told."""
    one, other = two
    with asking(create_app(one.rooms)) as tell, asking(create_app(other.rooms)) as ask:
        assert tell("POST", "/v1/items", json={"item_id": "new", "features": {"worth": 99}}).status_code == 202
        assert ids(ask("POST", "/v1/retrieve", json=KNOWN))[0] == "new"
        assert tell("DELETE", "/v1/items/new").status_code == 202
        assert tell("DELETE", "/v1/items/r1-i0").status_code == 202
        assert ids(ask("POST", "/v1/retrieve", json=KNOWN))[0] == "r1-i1"


def test_what_a_dead_worker_made_durable_is_found_by_who_is_sent_it_again(two: tuple[World, World]) -> None:
    """An item that was durable and never told of is in the next answer of the worker that its sender tries next."""
    one, other = two
    event = {"event_id": "e", "kind": "item", "item_id": "new", "features": {"worth": 99}}
    with asking(create_app(other.rooms)) as ask:
        assert ids(ask("POST", "/v1/retrieve", json=KNOWN))[0] == "r1-i0"
        one.post("e", "new", worth=99)  # into the log, and then its process died
        answer = ask("POST", "/v1/events", json=event)
        assert (answer.status_code, answer.json()["duplicates"]) == (202, 1)
        assert ids(ask("POST", "/v1/retrieve", json=KNOWN))[0] == "new"


def test_a_log_that_cannot_be_read_does_not_stop_answers(two: tuple[World, World], caplog: pytest.LogCaptureFixture) -> None:
    """A worker that cannot follow answers from what it has, logs it and counts it, and tries again with the next request."""
    one, other = two
    with asking(create_app(one.rooms)) as tell, asking(create_app(other.rooms)) as ask:
        posted, broken = other.log.posted, True

        def sometimes(after: int) -> list[tuple[str, bool]]:
            if broken:
                raise OSError("no disk")
            return posted(after)

        other.log.posted = sometimes  # type: ignore[method-assign, assignment]
        tell("POST", "/v1/items", json={"item_id": "new", "features": {"worth": 99}})
        assert ids(ask("POST", "/v1/retrieve", json=KNOWN))[0] == "r1-i0"
        assert "what another worker was told could not be followed" in caplog.text
        assert 'ratoon_adoption_failures_total{surface="default"} 1.0' in ask("GET", "/metrics").text
        broken = False
        assert ids(ask("POST", "/v1/retrieve", json=KNOWN))[0] == "new"


def test_a_release_that_was_opened_before_the_fork_is_not_opened_again(two: tuple[World, World]) -> None:
    """The prepared slot is served as it is if it is still current, and let go of if it is not."""
    world, _ = two
    rooms, registry = world.rooms, world.registry

    def adopted(prepared: Slot | None) -> Live:
        live = Live(prepared)
        adopt(live, registry, world.log, rooms.open_towers, rooms.indexes, rooms.posted_items)
        assert live.prepared is None
        return live

    prepared = prepare(registry, open_fake_towers, rooms.indexes)
    assert prepared is not None
    same = adopted(prepared).slot
    assert same is not None
    assert same.index is prepared.index
    registry.release(2)
    newer = adopted(prepared).slot
    assert newer is not None
    assert (newer.release.sequence, newer.index is prepared.index) == (2, False)
    assert prepare(World.at(world.log._path.parent).registry, open_fake_towers, rooms.indexes) is None
