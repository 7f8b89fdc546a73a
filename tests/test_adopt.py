"""Flow 2: swapping a release in."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ratoon.adopt import Slot, adopt, apply_item_event, replay
from ratoon.domain.errors import StoreError
from ratoon.domain.event import Event, Kind
from ratoon.domain.release import Release, release_id
from ratoon.durable import sha256
from ratoon.registry import FileRegistry
from tests.fakes.events import START, batch, event
from tests.fakes.serving_world import World, release_files


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path)
    yield made
    made.log.close()


def adopted(world: World) -> Release | None:
    return adopt(world.live, world.registry, world.log, world.rooms.open_towers, world.rooms.indexes)


def served(world: World) -> Slot:
    assert world.live.slot is not None
    return world.live.slot


def removal(item_id: str, kind: Kind = "remove") -> Event:
    return Event("x", kind, datetime(2026, 1, 1, tzinfo=UTC), item_id=item_id)


def test_only_what_is_new_is_adopted(world: World) -> None:
    """Nothing published, nothing adopted; a release is adopted once; a later one takes its place."""
    assert adopted(world) is None
    first = world.registry.release(1)
    assert adopted(world) == first
    assert adopted(world) is None
    second = world.registry.release(2)
    before = served(world)
    assert adopted(world) == second
    assert (before.release, served(world).release) == (first, second)


def test_a_slot_holds_what_belongs_together(world: World) -> None:
    """Towers, index, schema and the set of items of the new slot all come from the one release."""
    world.registry.release(3)
    adopted(world)
    slot = served(world)
    assert slot.items == set(slot.index.ids()) == {f"r3-i{place}" for place in range(10)}
    assert (slot.towers.dim, slot.schema.display) == (2, ("title",))


def test_a_release_that_cannot_be_read_changes_nothing(world: World) -> None:
    """A release whose files are damaged raises, and the release before it goes on being served."""
    good = world.registry.release(1)
    adopted(world)
    bad = world.registry.release(2)
    world.registry.broken.add(bad.id)
    with pytest.raises(StoreError, match="expected its hash"):
        adopted(world)
    assert served(world).release == good


def test_towers_of_another_shape_are_refused(world: World) -> None:
    """Towers that do not have the manifest's dimension are refused by name, and not served."""
    world.registry.release(1, dim=7)
    with pytest.raises(StoreError, match="expected towers of 2 dimensions compared by dot, found 7 dimensions compared by dot"):
        adopted(world)
    assert world.live.slot is None


def test_removals_since_the_window_are_replayed(world: World) -> None:
    """An item removed after the release's window is gone when the release is adopted, unless it was posted again."""
    world.log.append(batch(event("a", kind="remove", item_id="r1-i0")))  # inside the window: the refresh has seen it
    world.log.append(batch(event("b", kind="remove", item_id="r1-i1"), event("c", kind="remove", item_id="r1-i2")))
    world.log.append(batch(event("d", kind="item", item_id="r1-i2")))
    world.registry.release(1, end=1)
    adopted(world)
    assert {"r1-i0", "r1-i2"} <= served(world).items
    assert "r1-i1" not in {*served(world).items, *served(world).index.ids()}


def test_a_removal_acts_at_once(world: World) -> None:
    """An acknowledged removal takes the item out of the live index; other events, and unknown items, change nothing."""
    apply_item_event(world.live, removal("r1-i0"))
    world.registry.release(1)
    adopted(world)
    for gone in (removal("r1-i0"), removal("r1-i0"), removal("never"), removal("r1-i1", "item")):
        apply_item_event(world.live, gone)
    assert served(world).items == set(served(world).index.ids()) == {f"r1-i{place}" for place in range(1, 10)}


def test_removals_by_others_are_followed(world: World) -> None:
    """What another process removes through the log is taken away at the next look, once."""
    replay(world.live, world.log)
    world.registry.release(1)
    adopted(world)
    world.log.append(batch(event("a", kind="remove", item_id="r1-i3")))
    replay(world.live, world.log)
    assert len(served(world).index) == len(served(world).items) == 9
    assert world.live.replayed == world.log.end() == 1


def test_a_removal_during_adoption_is_not_lost(world: World) -> None:
    """An item removed while a release is being opened is missing from the slot that is swapped in."""
    world.registry.release(1)
    adopted(world)
    world.registry.release(2)
    opening, go_on = threading.Event(), threading.Event()
    open_towers = world.rooms.open_towers

    def slowly(files: dict[str, bytes]) -> object:
        opening.set()
        assert go_on.wait(10)
        return open_towers(files)

    adopting = threading.Thread(
        target=adopt,
        args=(world.live, world.registry, world.log, slowly, world.rooms.indexes),
    )
    adopting.start()
    assert opening.wait(10)
    world.log.append(batch(event("a", kind="remove", item_id="r2-i5", event_timestamp=START)))
    apply_item_event(world.live, removal("r2-i5"))
    go_on.set()
    adopting.join()
    assert served(world).release.sequence == 2
    assert "r2-i5" not in served(world).items
    found = served(world).index.search(np.ones((1, 2), dtype=np.float32), 10)[0]
    assert "r2-i5" not in dict(found)


def test_damaged_files_are_noticed(world: World, tmp_path: Path) -> None:
    """From a registry of files a release is adopted whole; one whose bytes changed on disk is refused, and the old one stays."""
    registry = FileRegistry(tmp_path / "releases", "default")

    def published(number: int) -> Release:
        files = release_files(number)
        parent = registry.current()
        named = {name: sha256(data) for name, data in files.items()}
        plain = replace(world.registry.release(number), parent=parent.id if parent else "", files=named)
        whole = release_id(parent=plain.parent, window=plain.window, scope=plain.scope, seed=plain.seed, files=plain.files)
        return registry.publish(replace(plain, id=whole), files)

    first = published(1)
    assert adopt(world.live, registry, world.log, world.rooms.open_towers, world.rooms.indexes) == first
    published(2)
    (towers,) = (tmp_path / "releases").glob("default/*2-*/towers.json")
    towers.chmod(0o644)
    towers.write_text(towers.read_text().replace("2", "3", 1))
    with pytest.raises(StoreError, match=r"towers\.json"):
        adopt(world.live, registry, world.log, world.rooms.open_towers, world.rooms.indexes)
    assert served(world).release == first
