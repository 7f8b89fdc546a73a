"""What runs beside the answers."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.adopt import Slot
from ratoon.index import FaissIndexes
from ratoon.index.exact import ExactIndex
from ratoon.ports import Files
from ratoon.serving import create_app
from tests.fakes.events import batch, event
from tests.fakes.serving_world import Ask, World, asking, ids


def soon(fact: Callable[[], bool]) -> None:
    """Wait until `fact` is true; a minute is far beyond any poll, on any machine."""
    deadline = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def sequence(ask: Ask) -> int:
    return int(ask("GET", "/v1/releases/current").json()["sequence"])


def test_a_new_release_is_adopted_while_serving(world: World, ask: Ask) -> None:
    """A release published while the server runs is served soon after, without a restart."""
    assert sequence(ask) == 1
    world.registry.release(2)
    soon(lambda: sequence(ask) == 2)
    assert ids(ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 1})) == ["r2-i0"]


def test_a_bad_release_is_counted_and_survived(world: World, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """A release that cannot be read is logged and counted, the one before goes on, and a good one after it is adopted."""
    world.registry.broken.add(f"{2:064x}")
    world.registry.release(2)
    soon(lambda: 'ratoon_adoption_failures_total{surface="default"} 0.0' not in ask("GET", "/metrics").text)
    assert sequence(ask) == 1
    assert "surface default: adoption failed" in caplog.text
    world.registry.release(3)
    soon(lambda: sequence(ask) == 3)


def test_a_bad_release_does_not_stop_the_start(world: World) -> None:
    """A server whose first release is damaged starts, is not ready, and becomes ready with the next release."""
    world.registry.broken.add(world.registry.history[0].id)
    with asking(create_app(world.rooms)) as ask:
        assert ask("GET", "/readyz").status_code == 503
        world.registry.release(2)
        soon(lambda: ask("GET", "/readyz").status_code == 200)


def test_removals_by_other_processes_are_followed(world: World, ask: Ask) -> None:
    """An item that somebody else removes through the log leaves the answers of a running server."""
    world.log.append(batch(event("gone", kind="remove", item_id="r1-i0")))
    soon(lambda: ids(ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 1})) == ["r1-i1"])


def test_what_others_remove_is_followed_while_adoption_fails(world: World, ask: Ask) -> None:
    """However long a release cannot be adopted, the log goes on being followed."""
    world.registry.broken.add(f"{2:064x}")
    world.registry.release(2)
    soon(lambda: 'ratoon_adoption_failures_total{surface="default"} 5.0' in ask("GET", "/metrics").text)
    world.log.append(batch(event("gone", kind="remove", item_id="r1-i0")))
    soon(lambda: ids(ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 1})) == ["r1-i1"])
    assert sequence(ask) == 1


def test_online_features_are_caught_up_before_answers(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Features are brought up to date before the first answer and at every look; a failure is counted, not fatal."""
    calls: list[int] = []

    def catch_up() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("disk")

    object.__setattr__(world.rooms, "catch_up", catch_up)
    with asking(create_app(world.rooms)) as ask:
        assert calls
        soon(lambda: ask("GET", "/healthz").status_code == 200 and len(calls) > 3)
        assert "ratoon_catch_up_failures_total 1.0" in ask("GET", "/metrics").text
    assert "online features could not be brought up to date" in caplog.text


def test_what_searches_find_is_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The share of the exact answers that searches find is a gauge; not to know it is counted, and tried again."""
    fails = iter([OSError("disk")])

    def probe(index: ExactIndex) -> float | None:
        for error in fails:
            raise error
        return 0.25 if len(index) else None

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ExactIndex, "probe", probe)
        with asking(create_app(replace(world.rooms, probe_seconds=0.01))) as ask:
            soon(lambda: 'ratoon_index_recall{surface="default"} 0.25' in ask("GET", "/metrics").text)
            assert 'ratoon_index_probe_failures_total{surface="default"} 1.0' in ask("GET", "/metrics").text
    assert "surface default: the recall of searches could not be told" in caplog.text


def test_a_release_is_followed_while_serving(tmp_path: Path) -> None:
    """A running server changes what it serves into the next release, and soon has both copies for it."""
    writer, made = FaissIndexes(), World.at(tmp_path, indexes=FaissIndexes().shared())
    made.online.apply(["known"])
    made.registry.release(1, indexes=writer)
    loads = list[Files]()
    with pytest.MonkeyPatch.context() as patched, asking(create_app(made.rooms)) as ask:
        assert sequence(ask) == 1
        patched.setattr(FaissIndexes, "load", lambda _, files: loads.append(files))
        made.registry.release(2, indexes=writer)
        soon(lambda: sequence(ask) == 2)
        soon(lambda: ask("GET", "/healthz").is_success and made.live.slot is not None and copies(made.live.slot) == 2)
        assert ids(ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 1})) == ["r2-i0"]
    assert loads == []
    made.log.close()


def copies(slot: Slot) -> object:
    return slot.index.stats()["copies"]
