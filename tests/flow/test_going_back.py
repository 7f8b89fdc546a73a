"""From a release that went wrong back to the good one, and on without what it had learnt."""

from typing import Any

from ratoon.refresh import refresh
from ratoon.serving.opening import open_app
from ratoon.wiring import House
from tests.fakes.events import batch, event
from tests.fakes.serving_world import Ask, asking

USERS = ("u1", "u2", "u7", "u30", "nobody")


def answers(ask: Ask) -> list[Any]:
    """Whom is offered what, with scores."""
    asked = [ask("POST", "/v1/retrieve", json={"user_id": user, "k": 20}) for user in USERS]
    assert [one.status_code for one in asked] == [200] * len(USERS)
    return [one.json()["candidates"] for one in asked]


def test_going_back_answers_as_that_release_did(house: House) -> None:
    """Answers recorded under a release are given again, bit for bit, once it is rolled back to; nothing refreshes meanwhile.

    After `resume` with the window left out refreshing goes on, and no event of that window is learnt. The log is the same all
    the while: what is popular now is told by it, whatever release answers.
    """
    registry = house.registry("default")
    good, end = registry.get(None), house.log.end()
    with asking(open_app(house)) as ask:
        recorded = answers(ask)
    assert refresh(house.workshop("default"), house.stopwatch(), "full").outcome == "published"
    with asking(open_app(house)) as ask:
        assert answers(ask) != recorded
        back = ask("POST", f"/v1/releases/{good.id}/activate", json={"reason": "bots"})
        assert back.status_code == 200, back.text
    with asking(open_app(house)) as ask:
        assert answers(ask) == recorded
    again = registry.get(None)
    assert (again.scope, again.files, again.window) == ("rollback", good.files, good.window)
    assert refresh(house.workshop("default"), house.stopwatch()).plan.reason == "on hold: bots"

    registry.resume(((good.window.end + 1, end),))
    house.log.append(batch(event("fine", user_id="u1", item_id="i2", event_timestamp=house.log.now())))
    report = refresh(house.workshop("default"), house.stopwatch())
    assert (report.outcome, report.plan.reason.partition(",")[0]) == ("published", "1 interactions"), report
    assert registry.get(None).window.left_out == ((good.window.end + 1, end),)
