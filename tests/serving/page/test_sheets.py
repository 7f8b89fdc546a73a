"""The page as a document."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from ratoon.adopt import Live
from ratoon.serving import Surface
from ratoon.serving.metrics import Metrics
from ratoon.serving.page import ASSETS, figures, home, sign_in
from tests.fakes.serving_world import MemoryRegistry, World

HOSTILE = """"><script>alert('x')</script><img src=x onerror=y>"""


class Read(HTMLParser):
    """What a browser would make of it: tags, ids, what is described by what."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> set[str]:
        return {value for _, given in self.tags if (value := given.get(name)) is not None}


def shown(world: World, **changes: object) -> str:
    return home(replace(figures(world.rooms, Metrics(), "default"), **changes), signed_in=False)  # type: ignore[arg-type]  # by name


def test_the_page_says_what_is_served(world: World) -> None:
    """Release number, its id, what it learnt, items and events are on the page."""
    world.adopt()
    text = shown(world, events=7)
    for part in (world.registry.history[0].id[:12], "2026-03-01 00:00 UTC", "<dd>10</dd>", "of 7 events", "serving", "none yet"):
        assert part in text


def test_before_the_first_release_the_page_says_what_to_do(world: World) -> None:
    """Without a release there is no box to ask with, and the command that makes one."""
    text = shown(world)
    assert "ratoon bootstrap" in text
    assert 'id="ask"' not in text


def test_a_hold_is_told(world: World) -> None:
    """Why refreshing is on hold is on the page, escaped."""
    world.adopt()
    text = shown(world, held=HOSTILE)
    assert "Refreshing is on hold" in text
    assert "<script>alert" not in text


def test_names_are_escaped(world: World) -> None:
    """A surface's name can neither inject markup nor leave the attribute or the address that it stands in."""
    odd = replace(
        world.rooms,
        surfaces={HOSTILE: Surface(Live(), MemoryRegistry(HOSTILE), world.log), "other": world.rooms.surfaces["default"]},
    )
    world.adopt()
    for name in odd.surfaces:
        read = Read(home(figures(odd, Metrics(), name), signed_in=True))
        assert [given.get("src") for tag, given in read.tags if tag in ("script", "img")] == [
            one.path for one in sorted(ASSETS.values(), key=lambda one: one.name, reverse=True) if not one.name.endswith("css")
        ]
        assert not any(attribute.startswith("on") for _, given in read.tags for attribute in given)


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(world: World) -> None:
    """The policy can forbid inline styles and scripts and other origins, for there are none."""
    world.adopt()
    for text in (shown(world), sign_in(wrong=True)):
        read = Read(text)
        assert not read.all("style")
        assert "<style" not in text
        assert not re.search(r"<script(?! src=)", text)
        assert all(place.startswith("/") and not place.startswith("//") for place in read.all("src") | read.all("href"))


def test_what_is_named_by_an_id_is_there(world: World) -> None:
    """Every label, description and title refers to an element of the page, and no id is there twice."""
    world.adopt()
    for text in (shown(world), sign_in(wrong=True)):
        read = Read(text)
        ids = [given["id"] for _, given in read.tags if "id" in given]
        assert len(ids) == len(set(ids))
        named = read.all("for") | read.all("aria-labelledby") | read.all("aria-controls") | read.all("aria-describedby")
        assert named <= set(ids)
        assert {"main", "h1"} <= {tag for tag, _ in read.tags}
