"""A release that does harm is taken back by the server itself."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.domain.errors import Conflict
from ratoon.domain.guard import Limits
from ratoon.registry import FileRegistry
from ratoon.serving.guard import Guard
from ratoon.serving.guarding import Guarding
from tests.fakes.events import batch, event
from tests.fakes.serving_world import published
from tests.serving.trials.worlds import USERS, Tried, answer, release_of, soon

LIMITS = Limits(3_600.0, least=20, wait=0.02)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Tried]:
    """Release 1, watched; release 13 has towers that fail."""
    made = Tried(tmp_path)
    surface = replace(made.surface, guard=Guard(LIMITS, time.monotonic))
    made.world.rooms = replace(made.world.rooms, surfaces={"default": surface})
    yield made
    made.world.log.close()


def test_a_release_that_fails_is_taken_back(watched: Tried, caplog: pytest.LogCaptureFixture) -> None:
    """Once too many answers fail the release before is served again, refreshing is on hold with the reason, and it is counted."""
    registry = watched.registry
    with watched.asking() as ask:
        answer(ask, USERS[0])
        bad = published(registry, 13)
        soon(ask, lambda: ask("GET", "/v1/releases/current").json()["sequence"] == 2)
        assert ask("POST", "/v1/retrieve", json={"user_id": USERS[0]}).status_code == 500
        for user in USERS:
            ask("POST", "/v1/retrieve", json={"user_id": user})
        soon(ask, lambda: ask("GET", "/v1/releases/current").json()["sequence"] == 3)
        assert release_of(answer(ask, USERS[0])) == {"r1"}
        assert registry.held().startswith(f"release 2 ({bad.id[:12]}) did harm: ")
        assert registry.held().endswith(" answers failed; 1.00% may")
        soon(ask, lambda: 'ratoon_releases_taken_back_total{surface="default"} 1' in ask("GET", "/metrics").text)
    assert f"surface default: release 2 ({bad.id[:12]}) did harm" in caplog.text
    assert [one.scope for one in registry.releases()] == ["rollback", "full", "full"]


def test_what_users_do_is_read_from_the_log(watched: Tried) -> None:
    """Interactions that name answers are what followed them."""
    guard = watched.surface.guard
    assert guard is not None
    with watched.asking() as ask:
        told = [answer(ask, user) for user in USERS]
        watched.world.log.append(
            batch(*(event(f"e{n}", user_id=user, request_id=told[n]["request_id"]) for n, user in enumerate(USERS[:30])))
        )
        soon(ask, lambda: guard.now.seen().followed.shown == 60)
    assert guard.now.seen().followed.followed <= 30


def test_somebody_else_was_quicker(tmp_path: Path) -> None:
    """A release that is not served any more cannot be taken back: what came after it stays."""
    registry = FileRegistry(tmp_path, "default")
    first, second, third = (published(registry, number) for number in (1, 2, 3))
    with pytest.raises(Conflict, match=f"expected release {second.id[:12]}, found release {third.id[:12]}"):
        registry.rollback(None, "late", of=second.id)
    assert (registry.current(), registry.held()) == (third, "")
    assert registry.rollback(None, "in time", of=third.id).files == second.files
    assert first.sequence == 1


def test_without_a_release_before_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where there is nothing to go back to the release stays, and that is an error in the log, once."""
    made = Tried(tmp_path)
    surface, guard = made.surface, Guard(LIMITS, lambda: 1.0)
    guarding = Guarding("default", replace(surface, guard=guard), guard, lambda: pytest.fail("nothing was taken back"))
    current = made.registry.current()
    assert current is not None
    asyncio.run(guarding._take_back(current, "for a test"))
    assert "release 1 was not taken back" in caplog.text
    made.world.log.close()
