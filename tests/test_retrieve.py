"""Flow 3: a query to candidates."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.adopt import Slot
from ratoon.domain.predicate import Equals, FilterRefused, In, Not
from ratoon.domain.query import Answer, Query
from ratoon.retrieve import retrieve
from tests.fakes.events import START, batch, event
from tests.fakes.serving_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.at(tmp_path)
    made.registry.release(2)
    made.adopt()
    made.online.known.add("known")
    yield made
    made.log.close()


def slot(world: World) -> Slot:
    assert world.live.slot is not None
    return world.live.slot


def ask(world: World, query: Query) -> Answer:
    return retrieve(query, slot(world), world.online, world.log)


def found(answer: Answer) -> list[str]:
    return [candidate.item_id for candidate in answer.candidates]


def interactions(world: World, user_id: str, *items: str) -> None:
    end = world.log.end()
    world.log.append(batch(*(event(f"e{end + n}", user_id=user_id, item_id=item) for n, item in enumerate(items))))


def test_a_known_user_is_searched_for(world: World) -> None:
    """A user with features gets the index's best by the user's own vector, with titles, from the slot's release."""
    answer = ask(world, Query("known", 3))
    assert [(one.item_id, one.score) for one in answer.candidates] == [("r2-i0", 40.0), ("r2-i1", 36.0), ("r2-i2", 32.0)]
    assert answer.candidates[0].display["title"] == "Title r2-i0"
    release = slot(world).release
    assert (answer.source, answer.release, answer.sequence, answer.watermark) == ("tower", release.id, 2, START)


def test_what_is_excluded_makes_room(world: World) -> None:
    """Excluded and seen items are left out and the next best take their places; seen ones stay where that is asked for."""
    interactions(world, "known", "r2-i0", "r2-i3")
    assert found(ask(world, Query("known", 3, exclude=frozenset({"r2-i1"})))) == ["r2-i2", "r2-i4", "r2-i5"]
    kept = Query("known", 3, exclude=frozenset({"r2-i1"}), exclude_seen=False)
    assert found(ask(world, kept)) == ["r2-i0", "r2-i2", "r2-i3"]


def test_a_cold_user_gets_what_is_popular_now(world: World) -> None:
    """A user without features gets the most frequent items of the release first, then others by id, up to k and no more."""
    interactions(world, "others", "r2-i7", "gone", "r2-i4", "r2-i7")
    answer = ask(world, Query("cold", 4))
    assert [(one.item_id, one.score) for one in answer.candidates] == [("r2-i7", 2), ("r2-i4", 1), ("r2-i0", 0), ("r2-i1", 0)]
    assert answer.source == "cold"
    assert found(ask(world, Query("cold", 1))) == ["r2-i7"]


def test_a_cold_answer_respects_exclusions(world: World) -> None:
    """Neither popular items nor those that fill up are excluded ones or, unless asked for, seen ones."""
    interactions(world, "cold", "r2-i7", "r2-i4")
    excluded = frozenset({"r2-i0", "r2-i4"})
    assert found(ask(world, Query("cold", 3, exclude=excluded))) == ["r2-i1", "r2-i2", "r2-i3"]
    assert found(ask(world, Query("cold", 3, exclude=excluded, exclude_seen=False))) == ["r2-i7", "r2-i1", "r2-i2"]


def test_popularity_alone_is_not_filled_up(world: World) -> None:
    """An answer by popularity has only items that were interacted with, whoever asks."""
    interactions(world, "others", "r2-i7", "gone")
    answer = ask(world, Query("known", 3, popular=True))
    assert (found(answer), answer.source) == (["r2-i7"], "popular")


def test_k_beyond_the_catalogue_gives_all_of_it(world: World) -> None:
    """Asking for more than there is gives everything, once."""
    interactions(world, "others", "r2-i7")
    for user in ("known", "cold"):
        answer = found(ask(world, Query(user, 1_000)))
        assert (len(answer), set(answer)) == (10, slot(world).items)


def test_a_posted_item_is_told_apart(world: World) -> None:
    """An item that came after the release is answered with its title and its features as the source, whoever asks."""
    world.post("p", "new", worth=9.5, title="Just out")
    world.look()
    best, new, *_ = ask(world, Query("known", 3)).candidates
    assert (best.item_id, best.source) == ("r2-i0", "index")
    assert (new.item_id, new.score, new.display["title"], new.source) == ("new", 38.0, "Just out", "features")
    (first, *_) = ask(world, Query("cold", 1)).candidates
    assert (first.item_id, first.source) == ("new", "features")
    interactions(world, "others", "r2-i7", "new")
    popular = ask(world, Query("known", 3, popular=True)).candidates
    assert [(one.item_id, one.source) for one in popular] == [("new", "features"), ("r2-i7", "index")]


def titled(*numbers: int) -> In:
    """The items of release 2 with these numbers, and one that is gone, by title."""
    return In("title", (*(f"Title r2-i{number}" for number in numbers), "Title gone"))


def test_a_filter_holds_for_every_source(world: World) -> None:
    """Whether by the user's vector, by popularity or to fill up, only items that match are answered, and all of them."""
    interactions(world, "others", "r2-i7", "r2-i7", "gone", "r2-i4", "r2-i1")
    only = titled(4, 6, 7, 8)
    known = ask(world, Query("known", 3, filter=only))
    assert [(one.item_id, one.score) for one in known.candidates] == [("r2-i4", 24.0), ("r2-i6", 16.0), ("r2-i7", 12.0)]
    assert found(ask(world, Query("known", 9, exclude=frozenset({"r2-i4"}), filter=only))) == ["r2-i6", "r2-i7", "r2-i8"]
    assert found(ask(world, Query("known", 9, popular=True, filter=only))) == ["r2-i7", "r2-i4"]
    assert found(ask(world, Query("cold", 9, filter=only))) == ["r2-i7", "r2-i4", "r2-i6", "r2-i8"]
    assert found(ask(world, Query("cold", 1, filter=only))) == ["r2-i7"]
    interactions(world, "cold", "r2-i7")
    assert found(ask(world, Query("cold", 2, filter=only))) == ["r2-i4", "r2-i6"]
    for query in (Query("known", 3), Query("cold", 3), Query("x", 3, popular=True)):
        assert found(ask(world, replace(query, filter=titled()))) == []


def test_a_posted_item_matches_by_what_was_posted(world: World) -> None:
    """An item that came after the release is filtered by its own columns; of one without a title nothing is known."""
    world.post("p", "new", worth=9.5, title="Just out")
    world.post("q", "untitled", worth=9.6)
    world.look()
    assert found(ask(world, Query("known", 9, filter=Equals("title", "Just out")))) == ["new"]
    others = found(ask(world, Query("known", 99, filter=Not(Equals("title", "Just out")))))
    assert (len(others), {"new", "untitled"} & set(others)) == (10, set())
    world.log.append(batch(event("r", kind="remove", user_id=None, item_id="new")))
    world.look()
    assert found(ask(world, Query("cold", 9, filter=Equals("title", "Just out")))) == []


def test_only_filter_columns_can_be_asked(world: World) -> None:
    """A column that is no filter column of the release is refused, whoever asks and whatever there is."""
    for query in (Query("known", 1, filter=Equals("worth", 1)), Query("cold", 1, filter=Equals("worth", 1))):
        with pytest.raises(FilterRefused, match=r"filter/column: expected a column to filter by \(title\), found 'worth'"):
            ask(world, query)
    slot(world).index.remove(slot(world).items)
    slot(world).items.clear()
    assert found(ask(world, Query("known", 1, filter=Equals("title", "Just out")))) == []
