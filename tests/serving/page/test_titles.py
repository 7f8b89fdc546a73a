"""Items by their titles."""

from dataclasses import replace

import pyarrow as pa

from ratoon.serving.page import Titles
from ratoon.serving.page.titles import title_of
from tests.fakes.serving_world import World


def found(titles: Titles, world: World, text: str, most: int = 8) -> list[str]:
    assert world.live.slot is not None
    return [one.item_id for one in titles.search(world.live.slot, text, most)]


def test_titles_are_found_whatever_the_case(world: World) -> None:
    """What a title begins with and what it has within are found in any case, no more than asked for; an id is found first."""
    world.adopt()
    titles = Titles()
    assert found(titles, world, "tItLe R1-I7") == found(titles, world, "I7") == found(titles, world, " r1-i7 ") == ["r1-i7"]
    assert found(titles, world, "title", 3) == ["r1-i0", "r1-i1", "r1-i2"]
    assert found(titles, world, "nothing") == found(titles, world, "  ") == []


def test_what_is_gone_is_not_found_and_what_was_posted_is(world: World) -> None:
    """Items are found as they are now: posted ones at once, removed ones no longer, renamed ones by their new title only."""
    world.adopt()
    titles = Titles()
    assert found(titles, world, "i3") == ["r1-i3"]
    world.post("e1", "new", title="A third kind", worth=1.0)
    world.look()
    slot = world.live.slot
    assert slot is not None
    slot.index.remove(["r1-i3"])
    slot.index.amend(pa.table({"item_id": ["r1-i4"], "title": ["Renamed"]}))
    assert found(titles, world, "third") == ["new"]
    assert found(titles, world, "i3") == []
    assert found(titles, world, "r1-i4") == ["r1-i4"]
    assert found(titles, world, "title r1-i4") == []


def test_letters_are_folded_and_not_only_made_small(world: World) -> None:
    """A title with letters that become two when they are folded is found by either way of writing it."""
    world.adopt()
    assert world.live.slot is not None
    world.live.slot.index.amend(pa.table({"item_id": ["r1-i4", "r1-i5"], "title": ["Die Straße", None]}))
    titles = Titles()
    assert found(titles, world, "STRASSE") == found(titles, world, "die straße") == ["r1-i4"]


def test_a_new_release_brings_its_own_titles(world: World) -> None:
    """After adoption the titles of the release before are forgotten."""
    world.adopt()
    titles = Titles()
    assert found(titles, world, "i7") == ["r1-i7"]
    world.registry.release(2)
    world.adopt()
    assert found(titles, world, "i7") == ["r2-i7"]


def test_the_title_is_the_display_column_of_that_name(world: World) -> None:
    """`title` is taken before `name`, and any display column before none."""
    world.adopt()
    assert world.live.slot is not None
    for display, expected in ((("name", "title"), "title"), (("brand", "name"), "name"), (("brand",), "brand"), ((), None)):
        slot = replace(world.live.slot, schema=replace(world.live.slot.schema, display=display))
        assert title_of(slot) == expected
