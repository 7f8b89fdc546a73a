"""The page in a browser."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import uvicorn

from ratoon.bench.browser import Tab, chromium, tab
from ratoon.bench.screenshots import SHOTS, take
from ratoon.domain.errors import UsageError
from ratoon.serving import create_app
from tests.fakes.serving_world import World


@pytest.fixture
def url(world: World) -> Iterator[str]:
    """The page of a small world, under a real server in a thread; one of its titles would like to be markup."""
    world.adopt()
    assert world.live.slot is not None
    world.live.slot.index.amend(pa.table({"item_id": ["r1-i5"], "title": ["<img src=x onerror=alert(1)>"]}))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(world.rooms), log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture
def installed() -> None:
    try:
        chromium()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture
def browser(installed: None) -> Iterator[Tab]:
    """Of its own for each test: what a page of another server still asks for is none of this one's."""
    del installed
    with tab() as one:
        yield one


def test_an_event_changes_the_next_answer(browser: Tab, url: str) -> None:
    """By keyboard alone: a user gives candidates; an event added to the first takes it away, and what moved is marked.

    The console is silent, no title becomes markup, and no request leaves the origin.
    """
    browser.look(1200, 900)
    browser.open(url)
    browser.run("document.getElementById('who').focus()")
    browser.type("known")
    browser.until("document.querySelectorAll('#choices [role=option]').length")
    browser.press("Enter")
    browser.until("document.querySelectorAll('#found li').length === 10")
    assert browser.run("document.querySelector('#found .title').textContent") == "Title r1-i0"
    assert browser.run("document.querySelectorAll('#found img').length") == 0
    assert "onerror" in browser.run("document.querySelector('#found').textContent")
    browser.run("document.querySelector('#found .add').focus()")
    browser.press("Enter")
    browser.until("document.getElementById('said').textContent.startsWith('Event stored')")
    assert browser.run("document.querySelector('#found .title').textContent") == "Title r1-i1"
    assert browser.run("document.querySelector('#found .moved').textContent") == "↑1"
    assert browser.run("document.getElementById('gone').textContent") == "Gone: Title r1-i0"
    assert "0 new, 9 moved, 1 gone" in browser.run("document.getElementById('said').textContent")
    browser.until("document.querySelector('#now').textContent.includes('of 1 events')")
    assert browser.complaints == []
    assert {asked for asked in browser.asked if not asked.startswith(url)} == set()


def test_a_title_shows_items_like_it(browser: Tab, url: str) -> None:
    """A part of a title leads to the item, and to items like it without buttons for events."""
    browser.open(url)
    browser.run("document.getElementById('who').focus()")
    browser.type("r1-i4")
    browser.until("document.querySelectorAll('#choices [role=option]').length === 2")
    browser.press("Enter")
    browser.until("document.querySelectorAll('#found li').length")
    assert "like Title r1-i4" in browser.run("document.getElementById('said').textContent")
    assert browser.run("document.querySelectorAll('#found .add').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_phone_scrolls_in_one_direction_only(browser: Tab, url: str, scheme: str) -> None:
    """At 320 pixels nothing is wider than the screen, and words stand out from what is behind them, WCAG AA: 4.5 to 1."""
    browser.look(320, 640, "dark" if scheme == "dark" else "light")
    browser.open(url)
    assert browser.run("document.documentElement.scrollWidth") == 320
    weakest = browser.run(CONTRAST)
    assert weakest[0] >= 4.5, weakest


@pytest.mark.usefixtures("installed")
def test_pictures_are_taken(url: str, tmp_path: Path) -> None:
    """The command leaves every picture as PNG, each small enough for a README."""
    taken = take(url, tmp_path / "pictures", "known")
    assert [path.stem for path in taken] == [shot.name for shot in SHOTS]
    for path in taken:
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        assert path.stat().st_size < 150_000


CONTRAST = """(() => {
  const parts = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (one) => { for (; one; one = one.parentElement) {
    const found = parts(getComputedStyle(one).backgroundColor);
    if (found.length === 3 || found[3] === 1) return found; } return [255, 255, 255]; };
  let weakest = [99, ""];
  for (const one of document.body.querySelectorAll("*")) {
    if (![...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) || !one.checkVisibility()) continue;
    const paint = one instanceof SVGElement ? getComputedStyle(one).fill : getComputedStyle(one).color;
    const [a, b] = [light(parts(paint)), light(behind(one))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < weakest[0]) weakest = [(a + 0.05) / (b + 0.05), one.textContent];
  }
  return weakest; })()"""
