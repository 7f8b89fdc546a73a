"""From a release that went wrong back to the good one, and on without what it had learnt."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ratoon import durable
from ratoon.domain import popularity
from ratoon.domain.popularity import GRID, Popularity
from ratoon.domain.release import Release, release_id
from ratoon.refresh import refresh
from ratoon.registry import FileRegistry
from ratoon.serving.opening import open_app
from ratoon.wiring import House
from tests.fakes.events import batch, event
from tests.fakes.serving_world import Ask, asking

USERS = ("u1", "u2", "u7", "u30")
BOTS = 100


def answers(ask: Ask) -> tuple[int, list[Any]]:
    """The number of the release that answers, and whom it offers what, with scores."""
    said = [ask("POST", "/v1/retrieve", json={"user_id": user, "k": 30}).json() for user in USERS]
    return min(one["sequence"] for one in said), [one["candidates"] for one in said]


def offered(ask: Ask) -> list[str]:
    """What the first user is offered."""
    return [one["item_id"] for one in answers(ask)[1][0]]


def soon(fact: Callable[[], bool]) -> None:
    """Wait until `fact` is true; a minute is far beyond any poll, on any machine."""
    deadline = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def poison(house: House, item: str) -> None:
    """Many bots who take one item."""
    now = house.log.now()
    bots = (
        event(f"bot{n}", user_id=f"bot{n}", item_id=item, event_timestamp=now + timedelta(seconds=n), type="rating", value=5.0)
        for n in range(BOTS)
    )
    house.log.append(batch(*bots))


def followed(house: House, registry: FileRegistry, good: Release) -> Release:
    """A release that has learnt them: it goes by what is popular alone."""
    files = dict(registry.load(good))
    unit = Popularity.from_json(files[popularity.FILE].decode()).unit
    evidence = tuple(float(place == len(GRID) - 1) for place in range(len(GRID)))
    files[popularity.FILE] = Popularity(unit, evidence).to_json().encode()
    window = replace(good.window, start=good.window.end, end=house.log.end())
    hashes = {name: durable.sha256(data) for name, data in sorted(files.items())}
    new = release_id(parent=good.id, window=window, scope="rows", seed=0, files=hashes)
    return registry.publish(replace(good, id=new, parent=good.id, window=window, files=hashes), files)


def test_going_back_answers_as_that_release_did(house: House) -> None:
    """A running server gives the answers recorded under a release again, bit for bit, once it is rolled back to.

    What bots made popular since is in none of them, neither while refreshing is on hold nor after `resume` without that window,
    and no event of it is learnt.
    """
    registry, fresh = house.registry("default"), House(house.settings)
    assert refresh(fresh.workshop("default"), fresh.stopwatch()).outcome == "published"
    good = registry.get(None)
    with asking(open_app(house)) as ask:
        number, recorded = answers(ask)
        assert number == good.sequence
        pushed = recorded[0][-1]["item_id"]
        poison(fresh, pushed)
        soon(lambda: pushed in offered(ask)[:3])  # popularity is followed as it comes
        bad = followed(fresh, registry, good)
        soon(lambda: answers(ask)[0] == bad.sequence)
        assert answers(ask)[1] != recorded

        registry.rollback(good.id, "bots")
        again = registry.get(None)
        soon(lambda: answers(ask)[0] == again.sequence)
        assert answers(ask) == (again.sequence, recorded)
        assert (again.scope, again.files, again.window) == ("rollback", good.files, good.window)
        assert refresh(fresh.workshop("default"), fresh.stopwatch()).plan.reason == "on hold: bots"

        left_out = ((good.window.end + 1, fresh.log.end()),)
        registry.resume(left_out)
        fresh.log.append(
            batch(event("fine", user_id="u9", item_id="i2", event_timestamp=fresh.log.now(), type="rating", value=4.0))
        )
        report = refresh(fresh.workshop("default"), fresh.stopwatch(), "rows")
        assert (report.outcome, report.plan.reason.partition(",")[0]) == ("published", "1 interactions"), report.plan
        assert registry.get(None).window.left_out == left_out
        soon(lambda: answers(ask)[0] == report.sequence)
        assert pushed not in offered(ask)[:10]
    house.log.close()
    fresh.log.close()
