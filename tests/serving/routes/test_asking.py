"""Every way of asking `POST /v1/retrieve`, and those that ask the same in other words."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ratoon.domain.event import Event
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Values
from ratoon.serving import create_app
from ratoon.serving.online import PAUSE, ServedFeatures
from tests.fakes.serving_world import Ask, World, asking, ids

KNOWN = {"user_id": "known", "k": 2}


def retrieve(ask: Ask, **body: Any) -> Any:
    answer = ask("POST", "/v1/retrieve", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def best(told: Any) -> list[tuple[str, float]]:
    return [(one["item_id"], one["score"]) for one in told["candidates"]]


def test_whom_or_what_candidates_are_for(ask: Ask) -> None:
    """Features given, items, a vector: each is answered from its own source, and without a user's id."""
    for body, source, expected in (
        ({"user_features": {"taste": 2}}, "tower", [("r1-i0", 20.0)]),
        ({"user_features": {}}, "tower", [("r1-i0", 10.0)]),
        ({"item_ids": ["r1-i0"]}, "items", None),
        ({"vector": [1, 0]}, "vector", [("r1-i0", 10.0)]),
    ):
        told = retrieve(ask, **body, k=1)
        assert (told["source"], "user_id" in told) == (source, False)
        assert best(told) == expected or (expected is None and best(told)[0][0] == "r1-i1")


def test_context_holds_for_this_answer(ask: Ask) -> None:
    """Inputs given as context replace stored ones, once."""
    assert best(retrieve(ask, **KNOWN, context={"taste": -1.0})) == [("r1-i9", -1.0), ("r1-i8", -2.0)]
    assert best(retrieve(ask, **KNOWN)) == [("r1-i0", 10.0), ("r1-i1", 9.0)]


def test_what_was_just_done_changes_this_answer_alone(world: World, ask: Ask) -> None:
    """Events of the session count for features and are left out where seen items are; nothing of them is stored."""
    session = {"events": [{"item_id": "r1-i9", "value": -1.0}, {"item_id": "r1-i8", "type": "click", "value": -2}]}
    assert best(retrieve(ask, **KNOWN, **session)) == [("r1-i7", -6.0), ("r1-i6", -8.0)]
    assert best(retrieve(ask, **KNOWN, **session, exclude_seen=False))[0] == ("r1-i9", -2.0)
    assert best(retrieve(ask, **KNOWN)) == [("r1-i0", 10.0), ("r1-i1", 9.0)]
    assert retrieve(ask, user_id="nobody", **session)["source"] == "tower"
    assert retrieve(ask, user_id="nobody")["source"] == "cold"
    assert world.log.end() == 0


def test_what_an_answer_is_made_of(ask: Ask) -> None:
    """Inputs, vectors and what each score is made of come where they are asked for, and nowhere else."""
    told = retrieve(ask, **KNOWN, include=["features", "vectors", "explain"])
    assert (told["features"], told["vector"]) == ({"taste": 1.0}, [0.5, 0.5])
    first = told["candidates"][0]
    assert first["vector"] == [10.0, 10.0]
    assert first["explain"] == {"taste": 10.0, "popularity": 0.0}
    assert (first["rank"], first["item"]) == (1, {"title": "Title r1-i0"})
    plain = retrieve(ask, **KNOWN)
    assert not {"features", "vector"} & plain.keys()
    assert plain["candidates"][0].keys() == {"rank", "score", "item_id", "item", "source"}
    cold = retrieve(ask, user_id="nobody", k=1, include=["features", "vectors", "explain"])
    assert (cold["features"], "vector" in cold, "explain" in cold["candidates"][0]) == ({}, False, False)


def test_columns_are_the_rows(ask: Ask) -> None:
    """Ids and scores as two lists are those of the candidates."""
    told = retrieve(ask, **KNOWN, format="columns")
    assert (told["item_ids"], told["scores"], "candidates" in told) == (["r1-i0", "r1-i1"], [10.0, 9.0], False)


def test_a_release_can_be_insisted_on(world: World, ask: Ask) -> None:
    """The beginning of the served release's id is enough; any other is a 409."""
    served = world.registry.history[0].id
    for wanted in (served, served[:8]):
        assert retrieve(ask, **KNOWN, release=wanted)["release"] == served
    answer = ask("POST", "/v1/retrieve", json=KNOWN | {"release": "f00d"})
    assert (answer.status_code, answer.json()["code"]) == (409, "other_release")
    assert "release 'f00d'" in answer.json()["detail"]


def test_an_answer_that_comes_too_late_is_none(world: World) -> None:
    """Once the time that the caller gave is over, the answer is 504, after whichever stage that shows."""

    class Slow:
        def user(self, user_id: str, schema: TowerSchema, session: object = ()) -> Values | None:
            time.sleep(0.01)
            del user_id, schema, session
            return {"taste": 1.0}

        def remembered(self, user_id: str, schema: TowerSchema) -> Values | None:
            del user_id, schema
            return None

    with asking(create_app(replace(world.rooms, online=Slow()))) as ask:
        answer = ask("POST", "/v1/retrieve", json=KNOWN | {"timeout_ms": 5})
        assert (answer.status_code, answer.json()["code"]) == (504, "too_late")
        assert "after `features`" in answer.json()["detail"]
        assert ask("POST", "/v1/retrieve", json=KNOWN | {"timeout_ms": 60_000}).status_code == 200


def test_a_batch_answers_each_in_its_place(ask: Ask) -> None:
    """Several questions are answered in order; one that cannot be answered is a problem there, and spoils no other."""
    wrong = KNOWN | {"filter": {"column": "year", "exists": True}}
    asked = {"requests": [KNOWN, wrong, {"item_ids": ["gone"]}, {"user_id": "nobody", "k": 1, "surface": "else"}, KNOWN]}
    results = ask("POST", "/v1/retrieve/batch", json=asked).json()["results"]
    assert [one.get("code") for one in results] == [None, "unfit", "not_found", "unknown_surface", None]
    assert best(results[0]) == best(results[-1]) == [("r1-i0", 10.0), ("r1-i1", 9.0)]
    bodies: list[dict[str, list[Any]]] = [{"requests": []}, {"requests": [KNOWN] * 65}, {"requests": [KNOWN, {}]}]
    for body in bodies:
        assert ask("POST", "/v1/retrieve/batch", json=body).status_code == 422
    malformed = ask("POST", "/v1/retrieve/batch", json={"requests": [KNOWN, KNOWN | {"filter": {"all": [{}]}}]})
    assert (malformed.status_code, malformed.json()["errors"][0]["pointer"][:20]) == (422, "#/requests/1/filter/")


def test_more_like_an_item(ask: Ask) -> None:
    """Like an item are those whose vectors point as its own does, without itself; an item that is not served is a 404."""
    answer = ask("GET", "/v1/items/r1-i4/similar?k=3")
    assert answer.json()["source"] == "items"
    assert ids(answer) == ["r1-i0", "r1-i1", "r1-i2"]
    missing = ask("GET", "/v1/items/no%2Fsuch/similar")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert "'no/such'" in missing.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "retrieve", KNOWN),
        ("POST", "retrieve/batch", {"requests": [KNOWN]}),
        ("GET", "items/r1-i0", None),
        ("GET", "items/r1-i0/similar", None),
        ("PATCH", "items/r1-i0", {"features": {"title": "x"}}),
        ("DELETE", "items/r1-i0", None),
        ("POST", "items", {"item_id": "x"}),
        ("POST", "events", {"user_id": "u", "item_id": "i"}),
        ("GET", "users/known", None),
        ("GET", "releases", None),
        ("GET", "releases/current", None),
        ("POST", "refresh", {}),
    ],
)
def test_every_path_is_there_under_its_surface(ask: Ask, method: str, path: str, body: Any) -> None:
    """Under a surface the same is answered; under one that is not configured, whatever is asked, a 404."""
    assert ask(method, f"/v1/surfaces/default/{path}", json=body).is_success
    answer = ask(method, f"/v1/surfaces/elsewhere/{path}", json=body)
    code = answer.json()["results"][0]["code"] if path == "retrieve/batch" and answer.is_success else answer.json()["code"]
    assert code == "unknown_surface"
    if path == "retrieve":
        differs = ask(method, "/v1/surfaces/default/retrieve", json=KNOWN | {"surface": "other"})
        assert (differs.status_code, differs.json()["errors"][0]["pointer"]) == (409, "#/surface")


class Falling:
    """The world's online store behind what a server puts in front of it, with a clock that is turned by hand."""

    def __init__(self, world: World) -> None:
        self.world, self.seconds = world, 0.0
        self.served = ServedFeatures(lambda: world.online, lambda: self.seconds)


@pytest.fixture
def falling(tmp_path: Path) -> Iterator[Falling]:
    world = World.at(tmp_path)
    world.registry.release(1)
    world.online.apply(["known", "other"])
    yield Falling(world)
    world.log.close()


def test_the_online_store_falls_and_comes_back(falling: Falling) -> None:
    """A user read before is answered from what was read, others by popularity; after a pause the store is asked again."""
    world = falling.world
    with asking(create_app(replace(world.rooms, online=falling.served))) as ask:

        def sources() -> list[str]:
            return [retrieve(ask, user_id=user, k=1)["source"] for user in ("known", "other")]

        assert retrieve(ask, **KNOWN)["source"] == "tower"
        world.online.down = True
        assert sources() == ["cached", "fallback"]
        before = world.online.asked
        assert sources() == ["cached", "fallback"]
        assert world.online.asked == before  # a store that has just failed is left alone
        falling.seconds = PAUSE
        assert sources() == ["cached", "fallback"]
        assert world.online.asked == before + 1
        world.online.down = False
        falling.seconds = 2 * PAUSE
        assert sources() == ["tower", "tower"]


def test_a_session_is_not_remembered(falling: Falling) -> None:
    """What is kept for the time without a store is what was stored, not what a session would have made of it."""
    schema = TowerSchema.from_json(_schema(falling.world))
    event = Event("s", "interaction", falling.world.rooms.clock(), "known", "i", "view", 5.0)
    assert falling.served.user("known", schema, [event]) == {"taste": 5.0}
    assert falling.served.remembered("known", schema) is None
    falling.served.user("known", schema)
    assert falling.served.remembered("known", schema) == {"taste": 1.0}
    assert falling.served.remembered("known", replace(schema, user=())) is None


def _schema(world: World) -> str:
    world.adopt()
    assert world.live.slot is not None
    return world.live.slot.schema.to_json()
