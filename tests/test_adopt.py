"""Flow 2: swapping a release in."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.adopt import Slot, adopt, apply_item_event, arrivals, replay, take_in
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import StoreError
from ratoon.domain.event import Event, Kind
from ratoon.domain.query import Query
from ratoon.domain.release import Release
from ratoon.domain.schema import TowerSchema
from ratoon.features.views import save
from ratoon.index import FaissIndexes, following
from ratoon.index.items.slots import Rows
from ratoon.ports import Files, Index
from ratoon.registry import FileRegistry
from ratoon.retrieve import retrieve
from tests.fakes.events import START, batch, event
from tests.fakes.serving_world import VIEW, World, published, release_files


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path)
    yield made
    made.log.close()


def adopted(world: World) -> Release | None:
    return world.adopt()


def served(world: World) -> Slot:
    assert world.live.slot is not None
    return world.live.slot


def items(world: World) -> set[str]:
    return set(served(world).index.ids())


def found(world: World) -> list[tuple[str, float]]:
    """Every item and the mean of its vector, largest first."""
    return served(world).index.search(np.full((1, 2), 0.5, dtype=np.float32), 100)[0]


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
    """Towers, index and schema of the new slot all come from the one release."""
    world.registry.release(3)
    adopted(world)
    slot = served(world)
    assert set(slot.index.ids()) == {f"r3-i{place}" for place in range(10)}
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
    """An item removed after the release's window is gone when it is adopted; posted again it is known by its features alone."""
    world.log.append(batch(event("a", kind="remove", item_id="r1-i0")))  # inside the window: the refresh has seen it
    world.log.append(batch(event("b", kind="remove", item_id="r1-i1"), event("c", kind="remove", item_id="r1-i2")))
    world.post("d", "r1-i2", worth=50)
    world.registry.release(1, end=1)
    adopted(world)
    assert {"r1-i0", "r1-i2"} <= items(world)
    assert "r1-i1" not in items(world)
    assert set(served(world).posted) == {"r1-i2"}
    assert found(world)[0] == ("r1-i2", 50.0)


def test_a_removal_acts_at_once(world: World) -> None:
    """An acknowledged removal takes the item out of the live index; other events, and unknown items, change nothing."""
    apply_item_event(world.live, removal("r1-i0"))
    world.registry.release(1)
    adopted(world)
    for gone in (removal("r1-i0"), removal("r1-i0"), removal("never"), removal("r1-i1", "item")):
        apply_item_event(world.live, gone)
    assert items(world) == {f"r1-i{place}" for place in range(1, 10)}


def test_removals_by_others_are_followed(world: World) -> None:
    """What another process removes through the log is taken away at the next look, once."""
    world.look()
    world.registry.release(1)
    adopted(world)
    world.log.append(batch(event("a", kind="remove", item_id="r1-i3")))
    world.look()
    assert len(served(world).index) == 9
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
        args=(world.live, world.registry, world.log, slowly, world.rooms.indexes, world.rooms.posted_items),
    )
    adopting.start()
    assert opening.wait(10)
    world.log.append(batch(event("a", kind="remove", item_id="r2-i5", event_timestamp=START)))
    apply_item_event(world.live, removal("r2-i5"))
    go_on.set()
    adopting.join()
    assert served(world).release.sequence == 2
    assert "r2-i5" not in items(world)
    assert "r2-i5" not in dict(found(world))


def test_damaged_files_are_noticed(world: World, tmp_path: Path) -> None:
    """From a registry of files a release is adopted whole; one whose bytes changed on disk is refused, and the old one stays."""
    registry = FileRegistry(tmp_path / "releases", "default")
    first = published(registry, 1)
    assert adopt(world.live, registry, world.log, world.rooms.open_towers, world.rooms.indexes, world.rooms.posted_items) == first
    published(registry, 2)
    (towers,) = (tmp_path / "releases").glob("default/*2-*/towers.json")
    towers.chmod(0o644)
    towers.write_text(towers.read_text().replace("2", "3", 1))
    with pytest.raises(StoreError, match=r"towers\.json"):
        adopt(world.live, registry, world.log, world.rooms.open_towers, world.rooms.indexes, world.rooms.posted_items)
    assert served(world).release == first


def test_a_posted_item_is_there_at_the_next_look(world: World) -> None:
    """What another process posts is served by its features, follows what is posted of it later, and is the index's once learnt.

    What an event leaves out stays as it was.
    """
    world.registry.release(1)
    adopted(world)
    world.post("a", "new", worth=7.5, title="New")
    world.look()
    assert found(world)[3] == ("new", 7.5)
    assert served(world).index.columns(["new"]) == {"new": {"title": "New"}}
    world.post("b", "new", worth=99)
    world.look()
    assert found(world)[0] == ("new", 99.0)
    assert served(world).index.columns(["new"]) == {"new": {"title": "New"}}
    assert set(served(world).posted) == {"new"} == items(world) - {f"r1-i{place}" for place in range(10)}
    files = dict(release_files(2))
    learnt = world.rooms.indexes.load(files)
    learnt.upsert(EmbeddingBatch(("new",), np.full((1, 2), 3, np.float32), pa.table({"item_id": ["new"], "title": ["Learnt"]})))
    release = world.registry.release(2, end=world.log.end())
    world.registry.stored[release.id] = files | dict(learnt.snapshot())
    adopted(world)
    assert set(served(world).posted) == set()
    assert ("new", 3.0) in found(world)


def test_posts_since_the_window_are_embedded_on_adoption(world: World) -> None:
    """A release is adopted with what was posted after its window; what it has learnt keeps the learnt vector."""
    world.post("a", "old news", worth=60)  # inside the window, and not in the release: it is none of its items
    world.post("b", "new", worth=70)
    world.post("c", "r1-i9", worth=80)
    world.registry.release(1, end=1)
    adopted(world)
    assert found(world)[0] == ("new", 70.0)
    assert found(world)[-1] == ("r1-i9", 1.0)
    assert "old news" not in items(world)


def test_removed_and_posted_again(world: World) -> None:
    """A posted item can be removed and posted again; a look in between, or a restart, makes no difference."""
    world.registry.release(1)
    adopted(world)
    for turn, look in enumerate((False, True)):
        world.post(f"a{turn}", "new", worth=20)
        world.look()
        world.log.append(
            batch(event(f"b{turn}", kind="remove", item_id="new"), event(f"c{turn}", kind="remove", item_id="r1-i0"))
        )
        if look:
            world.look()
            assert not {"new", "r1-i0"} & (items(world) | served(world).posted.keys())
        world.post(f"d{turn}", "new", worth=30 + turn)
        world.post(f"e{turn}", "r1-i0", worth=40 + turn)
        world.look()
        assert found(world)[:2] == [("r1-i0", 40.0 + turn), ("new", 30.0 + turn)]
    before = found(world)
    world.live.slot = None
    adopted(world)
    assert found(world) == before
    assert set(served(world).posted) == {"new", "r1-i0"}


def test_what_says_nothing_usable_waits(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A value of a wrong type or infinite is logged, and its item waits for a refresh or a good value; others are served."""
    world.registry.release(1)
    adopted(world)
    world.post("a", "text", worth="much")
    world.log.append(batch(event("b", kind="item", user_id=None, item_id="infinite", features='{"worth": 1e999}')))
    world.post("c", "nothing")
    world.post("d", "elsewhere", colour="red")
    world.post("e", "huge", worth=1e300)
    world.post("f", "good", worth=5, colour="red", unlearnt="?")
    world.look()
    assert set(served(world).posted) == {"good"}
    assert (
        "item 'text' waits for the next refresh: expected features.worth to be double, found 'much' in event 'a'" in caplog.text
    )
    assert "item 'infinite' waits" in caplog.text
    assert "item 'huge' waits for the next refresh: its features give no vector" in caplog.text
    world.post("g", "text", worth=6)
    world.look()
    assert set(served(world).posted) == {"good", "text"}


def test_columns_that_do_not_fit_the_release_wait(world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where views have changed since the release, what its towers or columns cannot take is logged, and all goes on."""
    world.registry.release(1)
    adopted(world)
    for dtype, value, name in (("STRING_LIST", ["a"], "worth"), ("INT64", 3, "title")):
        fields = tuple(replace(field, dtype=dtype) if field.name == name else field for field in VIEW.fields)
        save(tmp_path / "views.json", [replace(VIEW, fields=fields)])
        world.post(name, f"new {name}", **{name: value})
        world.look()
        assert len(served(world).index) == 10
    assert "an item's columns do not fit the release's item tower" in caplog.text
    assert "items 'new title' and 0 more wait for the next refresh" in caplog.text


def test_what_changed_while_it_was_embedded(world: World) -> None:
    """An item removed, or a release adopted, between embedding and serving: the item stays away, or waits for the next look."""
    world.registry.release(1)
    adopted(world)
    world.post("a", "gone", worth=20)
    world.post("b", "new", worth=30)
    coming = arrivals(world.live, world.log, world.rooms.posted_items)
    world.log.append(batch(event("c", kind="remove", item_id="gone")))
    take_in(world.live, world.log, coming)
    assert set(served(world).posted) == {"new"}
    replay(world.live, world.log, coming)
    assert set(served(world).posted) == {"new"}
    world.post("d", "newer", worth=50)
    coming = arrivals(world.live, world.log, world.rooms.posted_items, {"newer"})
    assert coming is not None
    assert coming.batch is not None
    assert coming.batch.ids == ("newer",)
    world.registry.release(2, end=world.log.end())
    adopted(world)
    take_in(world.live, world.log, coming)
    replay(world.live, world.log, coming)
    assert set(served(world).posted) == set()


def test_an_older_look_takes_nothing_back(world: World) -> None:
    """A look that began before an item was described anew, and ends after that is served, leaves the newer vector."""
    world.registry.release(1)
    adopted(world)
    world.post("a", "new", worth=20)
    earlier = arrivals(world.live, world.log, world.rooms.posted_items)
    world.post("b", "new", worth=30)
    take_in(world.live, world.log, arrivals(world.live, world.log, world.rooms.posted_items, {"new"}))
    newer = served(world).index.vectors(["new"]).tolist()
    replay(world.live, world.log, earlier)
    assert served(world).index.vectors(["new"]).tolist() == newer
    world.look()
    assert served(world).index.vectors(["new"]).tolist() == newer


def test_an_item_posted_during_adoption_is_not_lost(world: World) -> None:
    """What is posted while a release is being opened is served at the first look after it."""
    world.registry.release(1)

    def slowly(ids: Sequence[str], schema: TowerSchema) -> pa.Table:
        world.post("b", "later", worth=30)
        return world.rooms.posted_items(ids, schema)

    world.post("a", "early", worth=20)
    adopt(world.live, world.registry, world.log, world.rooms.open_towers, world.rooms.indexes, slowly)
    assert set(served(world).posted) == {"early"}
    world.look()
    assert set(served(world).posted) == {"early", "later"}


@pytest.fixture(params=[1, 2])
def live_world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A server whose index is changed in place, in one copy or two."""
    made = World.at(tmp_path, indexes=FaissIndexes(IndexPolicy(copies=request.param)).shared())
    yield made
    made.log.close()


def test_a_release_is_followed_from_the_one_before(live_world: World) -> None:
    """It answers what a server answers that has just loaded it, though nothing was loaded, with as many copies as before."""
    writer, loads = FaissIndexes(), list[Files]()
    live_world.registry.release(1, indexes=writer)
    live_world.adopt()
    copies = served(live_world).index.stats()["copies"]
    live_world.log.append(batch(event("a", kind="remove", item_id="r2-i5", event_timestamp=START)))
    live_world.post("p", "new", title="Posted", x=0.5)
    live_world.look()
    live_world.registry.release(2, indexes=writer)

    class Counted(FaissIndexes):
        def load(self, files: Files) -> Index:
            loads.append(files)
            return super().load(files)

    live_world.rooms = replace(live_world.rooms, indexes=Counted())
    assert live_world.adopt() is not None
    assert (loads, served(live_world).adopting) == ([], False)
    assert served(live_world).index.stats()["copies"] == copies
    followed, kept = found(live_world), served(live_world).posted
    live_world.live.slot = None
    live_world.adopt()
    assert (len(loads), served(live_world).posted) == (1, kept)
    assert found(live_world) == followed
    assert {"r2-i1", "new"} <= dict(followed).keys()
    assert not {"r2-i5", "r1-i1"} & dict(followed).keys()


def test_answers_say_that_a_release_is_being_adopted(live_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one copy, answers between the first change and the last say so; with two nobody sees anything in between."""
    live_world.registry.release(1, indexes=FaissIndexes())
    live_world.adopt()
    one, said = served(live_world).index.stats()["copies"] == 1, list[tuple[bool, int]]()
    live_world.registry.release(2, indexes=FaissIndexes())
    named = following.Difference.named

    def asking(difference: following.Difference, rows: Rows) -> list[str]:
        answer = retrieve(Query(5, "u"), served(live_world), live_world.online, live_world.log)
        said.append((answer.adopting, answer.sequence))
        return named(difference, rows)

    monkeypatch.setattr(following.Difference, "named", asking)
    live_world.adopt()
    assert set(said) == {(True, 2) if one else (False, 1)}
    after = retrieve(Query(5, "u"), served(live_world), live_world.online, live_world.log)
    assert (after.adopting, after.sequence) == (False, 2)


def test_following_that_fails_is_tried_again(live_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails between two batches leaves an index that answers, in as many copies as before, and the next look adopts."""
    live_world.registry.release(1, indexes=FaissIndexes())
    live_world.adopt()
    copies = served(live_world).index.stats()["copies"]
    live_world.registry.release(2, indexes=FaissIndexes())
    named, failing = following.Difference.named, [True]

    def full(difference: following.Difference, rows: Rows) -> list[str]:
        if failing:
            raise MemoryError
        return named(difference, rows)

    monkeypatch.setattr(following.Difference, "named", full)
    with pytest.raises(MemoryError):
        live_world.adopt()
    assert served(live_world).index.stats()["copies"] == copies
    retrieve(Query(5, "u"), served(live_world), live_world.online, live_world.log)
    failing.clear()
    assert live_world.adopt() is not None
    assert set(dict(found(live_world))) == {f"r2-i{number}" for number in range(10)}
    assert not served(live_world).adopting
