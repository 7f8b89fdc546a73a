"""From a release that went wrong back to the good one, and on without what it had learnt."""

from ratoon.domain.release import Release
from ratoon.refresh import refresh
from ratoon.towers import open_towers
from ratoon.wiring import House
from tests.fakes.events import batch, event

USERS = ("u1", "u2", "u7", "u30")


def answers(house: House, release: Release) -> object:
    """Whom a release's towers and index offer what, with scores."""
    registry = house.registry("default")
    files = registry.load(release)
    inputs = house.online().users(USERS, registry.schema(release))
    return house.indexes.load(files).search(open_towers(files).users(inputs), 20)


def test_going_back_answers_as_that_release_did(house: House) -> None:
    """Answers recorded under a release are given again, bit for bit, once it is rolled back to; nothing refreshes meanwhile.

    After `resume` with the window left out refreshing goes on, and no event of that window is learnt.
    """
    registry = house.registry("default")
    good, end = registry.get(None), house.log.end()
    recorded = answers(house, good)
    assert refresh(house.workshop("default"), house.stopwatch(), "full").outcome == "published"
    assert answers(house, registry.get(None)) != recorded
    registry.rollback(good.id, "bots")
    again = registry.get(None)
    assert answers(house, again) == recorded
    assert (again.scope, again.files, again.window) == ("rollback", good.files, good.window)
    assert refresh(house.workshop("default"), house.stopwatch()).plan.reason == "on hold: bots"

    registry.resume(((good.window.end + 1, end),))
    house.log.append(batch(event("fine", user_id="u1", item_id="i2", event_timestamp=house.log.now())))
    report = refresh(house.workshop("default"), house.stopwatch())
    assert (report.outcome, report.plan.reason.partition(",")[0]) == ("published", "1 interactions"), report
    assert registry.get(None).window.left_out == ((good.window.end + 1, end),)
