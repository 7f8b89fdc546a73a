"""The page for people."""

import re
from dataclasses import replace

from ratoon.adopt import Live
from ratoon.serving import Surface
from ratoon.serving.page import page
from tests.fakes.serving_world import Ask, MemoryRegistry, World


def test_the_page_says_what_is_served(world: World, ask: Ask) -> None:
    """The page shows release, number, watermark and counts, and links to the documentation and the metrics."""
    answer = ask("GET", "/")
    assert answer.headers["Content-Type"].startswith("text/html")
    for part in (world.registry.releases[0].id[:12], "<td>1</td>", "2026-03-01T00:00:00", "<td>10</td>", "docs", "metrics"):
        assert part in answer.text


def test_the_page_loads_nothing_from_elsewhere(ask: Ask) -> None:
    """Nothing on the page has an address of its own: it works without the internet."""
    assert re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?:https?:)?//""", ask("GET", "/").text) == []


def test_names_are_escaped(world: World) -> None:
    """A surface's name cannot inject markup."""
    bad = '<script>alert("x")</script>'
    odd = replace(world.rooms, surfaces={bad: Surface(Live(), MemoryRegistry(bad), world.log)})
    assert bad not in page(odd)
    assert "&lt;script&gt;alert" in page(odd)
