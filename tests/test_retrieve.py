"""Flow 3: a query to candidates."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ratoon.adopt import Slot
from ratoon.domain.errors import StoreError
from ratoon.domain.event import Event
from ratoon.domain.inputs import Unfit
from ratoon.domain.predicate import Equals, FilterRefused, In, Not
from ratoon.domain.query import Answer, Query, UnknownItems
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Values
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
    return [item for item, _ in answer.found]


def interactions(world: World, user_id: str, *items: str) -> None:
    end = world.log.end()
    world.log.append(batch(*(event(f"e{end + n}", user_id=user_id, item_id=item) for n, item in enumerate(items))))


def watching(item: str, value: float | None = None) -> Event:
    return Event("s", "interaction", START, "known", item, "view", value)


def test_a_known_user_is_searched_for(world: World) -> None:
    """A user with features gets the index's best by the user's own vector, from the slot's release, with what it is made of."""
    answer = ask(world, Query(3, "known"))
    assert answer.found == [("r2-i0", 40.0), ("r2-i1", 36.0), ("r2-i2", 32.0)]
    release = slot(world).release
    assert (answer.source, answer.release, answer.sequence, answer.watermark) == ("tower", release.id, 2, START)
    assert answer.values == {"taste": 1.0}
    assert answer.vector is not None
    assert answer.vector.tolist() == [[1.0, 1.0]]


def test_what_is_excluded_makes_room(world: World) -> None:
    """Excluded and seen items are left out and the next best take their places; seen ones stay where that is asked for."""
    interactions(world, "known", "r2-i0", "r2-i3")
    assert found(ask(world, Query(3, "known", exclude=frozenset({"r2-i1"})))) == ["r2-i2", "r2-i4", "r2-i5"]
    kept = Query(3, "known", exclude=frozenset({"r2-i1"}), exclude_seen=False)
    assert found(ask(world, kept)) == ["r2-i0", "r2-i2", "r2-i3"]


def test_a_cold_user_gets_what_is_popular_now(world: World) -> None:
    """A user without features gets the most frequent items of the release first, then others, up to k and no more."""
    interactions(world, "others", "r2-i7", "gone", "r2-i4", "r2-i7")
    answer = ask(world, Query(4, "cold"))
    assert answer.found == [("r2-i7", 2), ("r2-i4", 1), ("r2-i0", 0), ("r2-i1", 0)]
    assert (answer.source, answer.values, answer.vector) == ("cold", None, None)
    assert found(ask(world, Query(1, "cold"))) == ["r2-i7"]


def test_a_cold_answer_respects_exclusions(world: World) -> None:
    """Neither popular items nor those that fill up are excluded ones or, unless asked for, seen ones."""
    interactions(world, "cold", "r2-i7", "r2-i4")
    excluded = frozenset({"r2-i0", "r2-i4"})
    assert found(ask(world, Query(3, "cold", exclude=excluded))) == ["r2-i1", "r2-i2", "r2-i3"]
    assert found(ask(world, Query(3, "cold", exclude=excluded, exclude_seen=False))) == ["r2-i7", "r2-i1", "r2-i2"]


def test_popularity_alone_is_not_filled_up(world: World) -> None:
    """An answer by popularity has only items that were interacted with, whoever asks."""
    interactions(world, "others", "r2-i7", "gone")
    answer = ask(world, Query(3, "known", popular=True))
    assert (found(answer), answer.source) == (["r2-i7"], "popular")


def test_k_beyond_the_catalogue_gives_all_of_it(world: World) -> None:
    """Asking for more than there is gives everything, once."""
    interactions(world, "others", "r2-i7")
    for user in ("known", "cold"):
        answer = found(ask(world, Query(1_000, user)))
        assert (len(answer), set(answer)) == (10, set(slot(world).index.ids()))


def test_a_posted_item_is_answered(world: World) -> None:
    """An item that came after the release is answered by its features, by popularity and to fill up."""
    world.post("p", "new", worth=9.5, title="Just out")
    world.look()
    assert ask(world, Query(2, "known")).found == [("r2-i0", 40.0), ("new", 38.0)]
    assert found(ask(world, Query(99, "cold")))[-1] == "new"
    interactions(world, "others", "r2-i7", "new")
    assert found(ask(world, Query(3, "known", popular=True))) == ["new", "r2-i7"]


def titled(*numbers: int) -> In:
    """The items of release 2 with these numbers, and one that is gone, by title."""
    return In("title", (*(f"Title r2-i{number}" for number in numbers), "Title gone"))


def test_a_filter_holds_for_every_source(world: World) -> None:
    """Whether by the user's vector, by popularity or to fill up, only items that match are answered, and all of them."""
    interactions(world, "others", "r2-i7", "r2-i7", "gone", "r2-i4", "r2-i1")
    only = titled(4, 6, 7, 8)
    known = ask(world, Query(3, "known", filter=only))
    assert known.found == [("r2-i4", 24.0), ("r2-i6", 16.0), ("r2-i7", 12.0)]
    assert found(ask(world, Query(9, "known", exclude=frozenset({"r2-i4"}), filter=only))) == ["r2-i6", "r2-i7", "r2-i8"]
    assert found(ask(world, Query(9, "known", popular=True, filter=only))) == ["r2-i7", "r2-i4"]
    assert found(ask(world, Query(9, "cold", filter=only))) == ["r2-i7", "r2-i4", "r2-i6", "r2-i8"]
    assert found(ask(world, Query(1, "cold", filter=only))) == ["r2-i7"]
    assert found(ask(world, Query(9, like=["r2-i4"], filter=only))) == ["r2-i6", "r2-i7", "r2-i8"]
    assert found(ask(world, Query(9, vector=np.ones(2, np.float32), filter=only))) == ["r2-i4", "r2-i6", "r2-i7", "r2-i8"]
    interactions(world, "cold", "r2-i7")
    assert found(ask(world, Query(2, "cold", filter=only))) == ["r2-i4", "r2-i6"]
    for query in (Query(3, "known"), Query(3, "cold"), Query(3, "x", popular=True)):
        assert found(ask(world, replace(query, filter=titled()))) == []


def test_a_posted_item_matches_by_what_was_posted(world: World) -> None:
    """An item that came after the release is filtered by its own columns; of one without a title nothing is known."""
    world.post("p", "new", worth=9.5, title="Just out")
    world.post("q", "untitled", worth=9.6)
    world.look()
    assert found(ask(world, Query(9, "known", filter=Equals("title", "Just out")))) == ["new"]
    others = found(ask(world, Query(99, "known", filter=Not(Equals("title", "Just out")))))
    assert (len(others), {"new", "untitled"} & set(others)) == (10, set())
    world.log.append(batch(event("r", kind="remove", user_id=None, item_id="new")))
    world.look()
    assert found(ask(world, Query(9, "cold", filter=Equals("title", "Just out")))) == []


def test_only_filter_columns_can_be_asked(world: World) -> None:
    """A column that is no filter column of the release is refused, whoever asks and whatever there is."""
    for query in (Query(1, "known", filter=Equals("worth", 1)), Query(1, "cold", filter=Equals("worth", 1))):
        with pytest.raises(FilterRefused, match=r"filter/column: expected a column to filter by \(title\), found 'worth'"):
            ask(world, query)
    slot(world).index.remove(slot(world).index.ids())
    assert found(ask(world, Query(1, "known", filter=Equals("title", "Just out")))) == []


def test_features_stand_for_a_user(world: World) -> None:
    """A user who is not stored is searched for by the features given, of which none may be there; nothing is excluded."""
    interactions(world, "known", "r2-i0")
    for features, scale in (({"taste": 2.0}, 2), ({}, 1)):
        answer = ask(world, Query(2, features=features))
        assert answer.found == [("r2-i0", scale * 40.0), ("r2-i1", scale * 36.0)]
        assert (answer.source, answer.values) == ("tower", features)


def test_context_wins_over_what_is_stored(world: World) -> None:
    """Inputs of this request replace stored ones and given ones, and make a vector for somebody of whom nothing is known."""
    for query in (Query(1, "known"), Query(1, features={"taste": 3.0}), Query(1, "nobody")):
        answer = ask(world, replace(query, context={"taste": -1.0}))
        assert (answer.found, answer.source, answer.values) == ([("r2-i9", -4.0)], "tower", {"taste": -1.0})
    assert ask(world, Query(1, "known")).found == [("r2-i0", 40.0)]


def test_a_session_counts_for_its_answer_alone(world: World) -> None:
    """What the user has just done changes features and is not answered again; the answer after that knows nothing of it."""
    session = [watching("r2-i9", -1.0), watching("r2-i8", -2.0)]
    assert ask(world, Query(1, "known", session=session)).found == [("r2-i7", -24.0)]
    kept = replace(Query(1, "known", session=session), exclude_seen=False)
    assert ask(world, kept).found == [("r2-i9", -8.0)]
    assert ask(world, Query(1, "known")).found == [("r2-i0", 40.0)]
    assert world.log.end() == 0


def test_more_like_some_items(world: World) -> None:
    """Items are asked with their own mean direction, each as long as the other, and are not in the answer."""
    answer = ask(world, Query(2, like=["r2-i9", "r2-i0", "gone"]))
    assert (found(answer), answer.source, answer.values) == (["r2-i1", "r2-i2"], "items", None)
    assert answer.vector is not None
    assert np.allclose(answer.vector, np.full((1, 2), 0.5**0.5))
    with pytest.raises(UnknownItems, match=r"^item_ids: expected at least one item that is served, found 'a', 'b', 'c'\. Post"):
        ask(world, Query(2, like=list("abcd")))


def test_a_vector_is_searched_as_it_is(world: World) -> None:
    """A vector of the release's length is asked with; one of another length is refused with the lengths there are."""
    answer = ask(world, Query(2, vector=np.array([1, 0], np.float32)))
    assert (answer.found, answer.source) == ([("r2-i0", 20.0), ("r2-i1", 18.0)], "vector")
    with pytest.raises(Unfit, match="vector: expected 2 numbers, or 2 with what popularity is worth, found 3"):
        ask(world, Query(2, vector=np.ones(3, np.float32)))


def test_stages_are_heard_of_in_order(world: World) -> None:
    """Whoever counts the time hears of features, embed and search, whatever the source."""
    for query in (Query(1, "known"), Query(1, "cold"), Query(1, like=["r2-i0"])):
        stages: list[str] = []
        retrieve(query, slot(world), world.online, world.log, stages.append)
        assert stages == ["features", "embed", "search"]


def test_without_the_online_store(world: World) -> None:
    """Features that cannot be read are those remembered, or popularity takes their place; the answer says which."""
    world.online.down = True
    interactions(world, "others", "r2-i7")
    answer = ask(world, Query(2, "known"))
    assert (found(answer), answer.source) == (["r2-i7", "r2-i0"], "fallback")

    class Remembering:
        def user(self, user_id: str, schema: TowerSchema, session: object = ()) -> Values | None:
            raise StoreError("online.db", expected=user_id, found=schema.hash, fix=str(session))

        def remembered(self, user_id: str, schema: TowerSchema) -> Values | None:
            return {"taste": 2.0} if (user_id, schema) == ("known", slot(world).schema) else None

    for user, source, best in (("known", "cached", "r2-i0"), ("other", "fallback", "r2-i7")):
        answer = retrieve(Query(1, user), slot(world), Remembering(), world.log)
        assert (answer.source, found(answer)) == (source, [best])
    answer = retrieve(Query(1, "other", context={"taste": -1.0}), slot(world), Remembering(), world.log)
    assert (answer.source, found(answer)) == ("fallback", ["r2-i9"])
