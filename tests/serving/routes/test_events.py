"""The routes that write."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ratoon.domain.errors import DataError, StoreError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.domain.schema import TowerSchema
from ratoon.events import RefusedEvents
from ratoon.serving import create_app
from tests.fakes.events import START, at, batch, event
from tests.fakes.serving_world import Ask, World, asking, ids

WATCHED = {"user_id": "new", "item_id": "r1-i0"}


def test_an_acknowledged_event_is_in_the_log(world: World, ask: Ask) -> None:
    """One event is answered with 202, its offset, and stands in the log with what was sent and the defaults."""
    sent = {"event_id": "e1", "type": "rating", "value": 4, "event_timestamp": "2026-03-01T01:00:01+01:00", "request_id": "r"}
    answer = ask("POST", "/v1/events", json=WATCHED | sent | {"features": {"device": "tv"}})
    assert answer.status_code == 202, answer.text
    assert answer.json() == {"accepted": 1, "duplicates": 0, "offset": 1, "applied": True}
    (row,) = world.log.read(0).to_pylist()
    assert (row["event_id"], row["kind"], row["type"], row["value"]) == ("e1", "interaction", "rating", 4.0)
    assert (row["event_timestamp"], row["features"], row["request_id"]) == (at(1), '{"device": "tv"}', "r")


def test_what_is_left_out_is_filled_in(world: World, ask: Ask) -> None:
    """Without id and time an event gets an id of its own and the clock's next moment; only interactions have a type."""
    for body in (WATCHED, WATCHED, {"kind": "user", "user_id": "new"}):
        assert ask("POST", "/v1/events", json=body).json()["accepted"] == 1
    rows = world.log.read(0).to_pylist()
    assert len({row["event_id"] for row in rows}) == 3
    assert [row["type"] for row in rows] == ["view", "view", None]
    assert {row["event_timestamp"] for row in rows} == {START + timedelta(microseconds=1)}


def test_the_log_clock_dates_events(tmp_path: Path) -> None:
    """Under a clock made of event times, events without a time follow the newest time acknowledged, in the order they came."""
    world = World.at(tmp_path, clock="log")
    world.log.append(batch(event("old", event_timestamp=at(-9_999_999))))
    with asking(create_app(world.rooms)) as ask:
        assert ask("POST", "/v1/events", json={"events": [WATCHED, WATCHED]}).status_code == 202
    newest, tick = at(-9_999_999), timedelta(microseconds=1)
    assert world.log.read(1).column("event_timestamp").to_pylist() == [newest + tick, newest + 2 * tick]
    world.log.close()


def test_duplicates_are_counted_not_stored(world: World, ask: Ask) -> None:
    """An event id counts once, within a batch and across requests; the offset still covers all of them."""
    events = {"events": [WATCHED | {"event_id": name} for name in ("a", "b", "a")]}
    assert ask("POST", "/v1/events", json=events).json() == {"accepted": 2, "duplicates": 1, "offset": 2, "applied": True}
    assert ask("POST", "/v1/events", json=events).json() == {"accepted": 0, "duplicates": 3, "offset": 2, "applied": True}
    assert world.log.end() == 2


def test_a_user_just_seen_gets_tower_answers(ask: Ask) -> None:
    """A user whose first event was acknowledged is answered by the tower from the next request on, without what was seen."""
    before = ask("POST", "/v1/retrieve", json={"user_id": "new"}).json()["source"]
    ask("POST", "/v1/events", json=WATCHED)
    after = ask("POST", "/v1/retrieve", json={"user_id": "new", "k": 1})
    assert (before, after.json()["source"], ids(after)) == ("cold", "tower", ["r1-i1"])


def test_features_that_lag_do_not_lose_events(world: World, ask: Ask) -> None:
    """If online features cannot follow, events are accepted, said not to be applied and counted; sent again, they heal."""
    world.online.fails = True
    answer = ask("POST", "/v1/events", json=WATCHED | {"event_id": "a"})
    assert (answer.status_code, answer.json()["accepted"], answer.json()["applied"]) == (202, 1, False)
    assert world.log.end() == 1
    assert "ratoon_events_unapplied_total 1.0" in ask("GET", "/metrics").text
    world.online.fails = False
    assert ask("POST", "/v1/events", json=WATCHED | {"event_id": "a"}).json()["applied"] is True
    assert "new" in world.online.known


def test_only_users_are_updated(tmp_path: Path) -> None:
    """Each user of a batch is updated once; items and removals update nobody."""
    calls: list[Sequence[str]] = []
    world = World.at(tmp_path, apply_user_events=calls.append)
    with asking(create_app(world.rooms)) as ask:
        item = {"kind": "item", "item_id": "i", "user_id": "not me"}
        ask("POST", "/v1/events", json={"events": [WATCHED, WATCHED, item, {"kind": "user", "user_id": "a"}]})
        ask("POST", "/v1/events", json=item)
    assert calls == [["a", "new"]]
    world.log.close()


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"item_id": "i"}, "#", "user_id is needed for an event of kind interaction"),
        ({"kind": "remove", "user_id": "u"}, "#", "item_id is needed for an event of kind remove"),
        ({"events": [WATCHED, WATCHED | {"user_id": ""}]}, "#/events/1/user_id", "at least 1 character"),
        (WATCHED | {"userid": "u"}, "#/userid", "Extra inputs are not permitted"),
        ({"events": []}, "#/events", "at least 1 item"),
        ({"events": [WATCHED] * 5_001}, "#/events", "at most 5000 items"),
        ([], "#", "valid dictionary or object"),
    ],
)
def test_an_invalid_event_is_pointed_at(world: World, ask: Ask, body: Any, pointer: str, detail: str) -> None:
    """An event that the API or the log refuses is a 422 that points at the field; nothing of its batch is stored."""
    answer = ask("POST", "/v1/events", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    (wrong,) = answer.json()["errors"]
    assert wrong["pointer"] == pointer
    assert detail in wrong["detail"]
    assert world.log.end() == 0


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (WATCHED | {"event_timestamp": "2026-03-01T00:06:00Z"}, "#/event_timestamp", "clock skew"),
        ({"events": [WATCHED, WATCHED | {"event_timestamp": "1969-01-01T00:00:00Z"}]}, "#/events/1/event_timestamp", "1970"),
        (WATCHED | {"features": {"a": "x" * 70_000}}, "#/features", "at most 64 kB"),
    ],
)
def test_an_event_that_does_not_fit_is_pointed_at(world: World, ask: Ask, body: Any, pointer: str, detail: str) -> None:
    """An event that is well formed and that the log refuses is a 409 that points at the field; nothing is stored."""
    answer = ask("POST", "/v1/events", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "unfit")
    (wrong,) = answer.json()["errors"]
    assert wrong["pointer"] == pointer
    assert detail in wrong["detail"]
    assert world.log.end() == 0


def test_an_event_that_does_not_fit_is_kept_with_its_reason(tmp_path: Path) -> None:
    """What the log or the views refuse is kept as it came, under its id, and counted; what is accepted is not."""
    kept = RefusedEvents(tmp_path / "refused")

    def check(features: Mapping[str, object]) -> None:
        if "unknown" in features:
            raise DataError("features.unknown", expected="a feature of a view", found="none", fix="Apply one.")

    world = World.at(tmp_path, refuse=kept.note, check_features=check)
    ahead = WATCHED | {"event_id": "ahead", "event_timestamp": "2026-03-01T00:06:00Z", "value": 3}
    early = WATCHED | {"event_id": "fine", "event_timestamp": "2026-02-28T23:59:50Z"}
    with asking(create_app(world.rooms)) as ask:
        assert ask("POST", "/v1/events", json={"events": [WATCHED | {"event_id": "good"}, ahead]}).status_code == 409
        new = WATCHED | {"event_id": "new", "features": {"unknown": 1}}
        assert ask("POST", "/v1/events", json=new).status_code == 409
        assert ask("POST", "/v1/events", json=early).status_code == 202
        told = ask("GET", "/metrics").text
    first, second = kept.listed()
    assert (first["event_id"], second["event_id"]) == ("ahead", "new")
    assert "clock skew" in str(first["reason"])
    assert "features.unknown" in str(second["reason"])
    assert first["event"] == dict.fromkeys(EVENT_SCHEMA.names) | ahead | {
        "kind": "interaction",
        "type": "view",
        "value": 3.0,
        "event_timestamp": "2026-03-01T00:06:00+00:00",
    }
    for line in ("ratoon_events_refused_total 2", "ratoon_events_ahead_total 0", "ratoon_event_lateness_seconds_sum 10"):
        assert line in told
    world.log.close()


def test_a_posted_item_is_served_at_once(world: World, ask: Ask) -> None:
    """A new item with features is in the next answer, told apart by its source, and the acknowledgement says so."""
    body = {"item_id": "new", "features": {"worth": 9.5, "title": "New"}}
    told = {"item_id": "new", "offset": 1, "retrievable": "now", "accepted": 1, "duplicates": 0}
    assert ask("POST", "/v1/items", json=body).json() == told
    first, second = ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 2}).json()["candidates"]
    assert (first["item_id"], first["source"]) == ("r1-i0", "index")
    assert second == {"item_id": "new", "score": 9.5, "rank": 2, "item": {"title": "New"}, "source": "features"}
    changed = {"kind": "item", "item_id": "new", "features": {"worth": 99}}
    ask(
        "POST", "/v1/events", json={"events": [WATCHED, changed, {"kind": "item", "item_id": "r1-i9", "features": {"worth": 50}}]}
    )
    assert ids(ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 10})) == ["new", *(f"r1-i{n}" for n in range(9))]
    assert ask("POST", "/v1/items", json={"item_id": "r1-i9"}).json()["retrievable"] == "now"
    world.live.slot = None
    with asking(create_app(world.rooms)) as restarted:
        assert ids(restarted("POST", "/v1/retrieve", json={"user_id": "known", "k": 1})) == ["new"]


def test_a_removed_item_comes_back_when_posted(ask: Ask) -> None:
    """Removed and posted in one batch counts in its order; an item that ends removed is in no answer."""
    post, remove = {"kind": "item", "item_id": "new", "features": {"worth": 50}}, {"kind": "remove", "item_id": "new"}
    known = {"user_id": "known", "k": 1}
    for events, best in (([post, remove], "r1-i0"), ([remove, post], "new"), ([remove], "r1-i0"), ([post], "new")):
        assert ask("POST", "/v1/events", json={"events": events}).status_code == 202
        assert ids(ask("POST", "/v1/retrieve", json=known)) == [best]
    ask("POST", "/v1/events", json={"events": [{"kind": "remove", "item_id": "r1-i0"}, post | {"item_id": "r1-i0"}]})
    (back,) = ask("POST", "/v1/retrieve", json=known | {"exclude_ids": ["new"]}).json()["candidates"]
    assert (back["item_id"], back["source"]) == ("r1-i0", "features")


def test_an_item_that_cannot_be_embedded_is_acknowledged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails on the way from the log to the index, the item is in the log, and it is served once that works again."""
    failing = [True]

    def breaking(items: Sequence[str], schema: TowerSchema) -> pa.Table:
        if failing[0]:
            raise StoreError("views.json", expected="a disk", found="none", fix="Buy one.")
        return given(items, schema)

    world = World.at(tmp_path)
    given = world.rooms.posted_items
    world.registry.release(1)
    world.online.known.add("known")
    with asking(create_app(replace(world.rooms, posted_items=breaking))) as ask:
        answer = ask("POST", "/v1/items", json={"item_id": "new", "features": {"worth": 99}})
        assert (answer.status_code, answer.json()["retrievable"]) == (202, "after the next refresh")
        assert "surface default: 1 posted items are durable, but not served yet" in caplog.text
        failing[0] = False
        while ids(ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 1})) != ["new"]:
            pass
    world.log.close()


def test_an_item_without_features_waits_for_a_refresh(world: World, ask: Ask) -> None:
    """An item is acknowledged with its offset and when it can be retrieved, and its features are in the log."""
    answer = ask("POST", "/v1/items", json={"item_id": "new/1", "features": {"genres": ["a"]}})
    expected = {"item_id": "new/1", "offset": 1, "retrievable": "after the next refresh", "accepted": 1, "duplicates": 0}
    assert (answer.status_code, answer.json()) == (202, expected)
    (row,) = world.log.read(0).to_pylist()
    assert (row["kind"], row["item_id"], row["features"], row["user_id"]) == ("item", "new/1", '{"genres": ["a"]}', None)


@pytest.mark.parametrize("through_events", [False, True])
def test_a_removed_item_is_gone_for_good(world: World, ask: Ask, through_events: bool) -> None:
    """A removed item is missing from the next answer, and from a server that starts afterwards."""
    user = {"user_id": "known", "k": 1}
    assert ids(ask("POST", "/v1/retrieve", json=user)) == ["r1-i0"]
    if through_events:
        removed = ask("POST", "/v1/events", json={"kind": "remove", "item_id": "r1-i0"})
    else:
        removed = ask("DELETE", "/v1/items/r1-i0")
        assert removed.json() == {"item_id": "r1-i0", "offset": 1}
    assert removed.status_code == 202
    assert ids(ask("POST", "/v1/retrieve", json=user)) == ["r1-i1"]
    world.live.slot = None
    with asking(create_app(world.rooms)) as restarted:
        assert ids(restarted("POST", "/v1/retrieve", json=user)) == ["r1-i1"]


def test_an_item_id_may_hold_anything(world: World, ask: Ask) -> None:
    """An id is everything after `/v1/items/`, decoded."""
    assert ask("DELETE", "/v1/items/a%2Fb/c%20d").json()["item_id"] == "a/b/c d"
    assert ask("DELETE", "/v1/items/%0Aa%0A").json()["item_id"] == "\na\n"
    assert world.log.removed(0) == ["\na\n", "a/b/c d"]
    assert ask("DELETE", "/v1/items/" + "x" * 257).status_code == 422


def test_a_log_that_fails_acknowledges_nothing(world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the log cannot write, the answer is 503 with Retry-After, and tells no paths."""

    def full(_: pa.Table) -> pa.Table:
        raise StoreError("/secret/events.sqlite", expected="space", found="none", fix="Make room.")

    monkeypatch.setattr(world.log, "append", full)
    answer = ask("POST", "/v1/events", json=WATCHED)
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")
    assert "secret" not in answer.text
