"""Items and users, one at a time."""

from typing import Any

import pytest

from tests.fakes.events import batch, event
from tests.fakes.serving_world import Ask, World, ids

KNOWN = {"user_id": "known", "k": 1}
TITLED = {"column": "title", "eq": "Renamed"}


def test_an_item_is_shown_as_it_is_served(ask: Ask) -> None:
    """Its columns and where its vector comes from; one that is not served is a 404."""
    assert ask("GET", "/v1/items/r1-i3").json() == {"item_id": "r1-i3", "item": {"title": "Title r1-i3"}, "source": "index"}
    ask("POST", "/v1/items", json={"item_id": "a/b", "features": {"worth": 5, "title": "New"}})
    assert ask("GET", "/v1/items/a%2Fb").json() == {"item_id": "a/b", "item": {"title": "New"}, "source": "features"}
    missing = ask("GET", "/v1/items/nothing%0Ahere")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_an_id_that_ends_in_similar(ask: Ask) -> None:
    """It is posted, retrieved and removed in bodies; a path that ends so asks for what is similar, and changes nothing."""
    item = {"item_id": "r1-i0/similar", "features": {"worth": 50, "title": "New"}}
    assert ask("POST", "/v1/items", json=item).status_code == 202
    assert ids(ask("POST", "/v1/retrieve", json=KNOWN)) == ["r1-i0/similar"]
    told = ask("GET", "/v1/items/r1-i0%2Fsimilar").json()
    assert (told["source"], told["candidates"][0]["item_id"]) == ("items", "r1-i0/similar")
    for method in ("PATCH", "DELETE"):
        assert ask(method, "/v1/items/r1-i0%2Fsimilar", json={"features": {"title": "x"}}).status_code == 405
    assert ids(ask("POST", "/v1/retrieve", json=KNOWN)) == ["r1-i0/similar"]
    ask("POST", "/v1/events", json={"kind": "remove", "item_id": "r1-i0/similar"})
    assert ids(ask("POST", "/v1/retrieve", json=KNOWN)) == ["r1-i0"]


def test_an_edit_shows_in_the_next_answer(ask: Ask) -> None:
    """Other columns of a served item are shown and filtered by from the next answer on; its score stays."""
    (before,) = ask("POST", "/v1/retrieve", json=KNOWN).json()["candidates"]
    assert ids(ask("POST", "/v1/retrieve", json=KNOWN | {"filter": TITLED})) == []
    edited = ask("PATCH", "/v1/items/r1-i0", json={"features": {"title": "Renamed"}})
    assert (edited.status_code, edited.json()["retrievable"]) == (202, "now")
    (after,) = ask("POST", "/v1/retrieve", json=KNOWN).json()["candidates"]
    assert after == before | {"item": {"title": "Renamed"}}
    assert ids(ask("POST", "/v1/retrieve", json=KNOWN | {"filter": TITLED})) == ["r1-i0"]
    assert ask("GET", "/v1/items/r1-i0").json()["item"] == {"title": "Renamed"}


def test_what_is_not_served_cannot_be_edited(world: World, ask: Ask) -> None:
    """A PATCH of an unknown item is a 404 and writes nothing; one of a removed item too."""
    ask("DELETE", "/v1/items/r1-i0")
    for item in ("unknown", "r1-i0"):
        answer = ask("PATCH", f"/v1/items/{item}", json={"features": {"title": "x"}})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert world.log.end() == 1


@pytest.mark.parametrize(("path", "body"), [("/v1/events", {"user_id": "u", "item_id": "i"}), ("/v1/items", {"item_id": "i"})])
def test_an_idempotency_key_counts_once(world: World, ask: Ask, path: str, body: Any) -> None:
    """The same body again under its key is the same event; another body under it is a 409 that stores nothing."""
    key = {"Idempotency-Key": "k1"}
    for _ in range(2):
        answer = ask("POST", path, json=body, headers=key)
        assert (answer.status_code, answer.json()["offset"]) == (202, 1)
    other = ask("POST", path, json=body | {"item_id": "j"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    longer = ask("POST", "/v1/events", json={"events": [{"user_id": "u", "item_id": "i"}] * 2}, headers=key)
    assert (longer.status_code, longer.json()["code"]) == (409, "idempotency_key_reused")
    assert world.log.end() == 1
    assert ask("POST", path, json=body, headers={"Idempotency-Key": "k2"}).json()["offset"] == 2
    assert ask("POST", path, json=body, headers={"Idempotency-Key": "k" * 201}).status_code == 422


def test_many_items_are_served_at_once(world: World, ask: Ask) -> None:
    """All of a list are in the next answer, the later of two that name one item counts, and the key counts once."""
    items = [{"item_id": f"n{n}", "features": {"worth": 100 + n, "title": "x" * 40}} for n in range(450)]
    body = {"items": [*items, {"item_id": "n0", "features": {"worth": 1_000}}]}
    told = {"item_id": "n0", "offset": 451, "retrievable": "now", "accepted": 451, "duplicates": 0}
    key = {"Idempotency-Key": "k"}
    assert ask("POST", "/v1/items", json=body, headers=key).json() == told
    assert ask("POST", "/v1/items", json=body, headers=key).json() == told | {"accepted": 0, "duplicates": 451}
    assert ids(ask("POST", "/v1/retrieve", json=KNOWN | {"k": 3})) == ["n0", "n449", "n448"]
    assert world.log.end() == 451


@pytest.mark.parametrize("place", [3, 320])
@pytest.mark.parametrize(
    ("wrong", "status", "field"),
    [
        ({"item_id": "i", "features": {"genres": 1}, "title": "x"}, 422, "/title"),
        ({"item_id": ""}, 422, "/item_id"),
        ({"features": {}}, 422, "/item_id"),
        ({"item_id": "i", "features": {"a": "x" * 70_000}}, 409, "/features"),
        ({"item_id": "i", "event_timestamp": "2026-03-01T00:06:00Z"}, 409, "/event_timestamp"),
        ("i", 422, ""),
    ],
)
def test_one_wrong_item_of_many_is_pointed_at(world: World, ask: Ask, place: int, wrong: Any, status: int, field: str) -> None:
    """The error leads to the item and its field, behind the first lot that is read too, and none of the list is stored."""
    items = [{"item_id": f"n{n}", "features": {"worth": 1, "title": "x" * 40}} for n in range(place + 2)]
    answer = ask("POST", "/v1/items", json={"items": [*items[:place], wrong, *items[place + 1 :]]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (status, f"#/items/{place}{field}"), answer.text
    assert world.log.end() == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"items": []}, "#/items"),
        ({"items": [{"item_id": "i"}] * 5_001}, "#/items"),
        ({"items": None}, "#/items"),
        ({"items": [{"item_id": "i"}], "item_id": "i"}, "#/item_id"),
        ([{"item_id": "i"}], "#"),
    ],
)
def test_a_list_of_items_that_is_none(world: World, ask: Ask, body: Any, pointer: str) -> None:
    """None, too many, no list, one and many at once: a 422 that says where, and nothing is stored."""
    answer = ask("POST", "/v1/items", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert world.log.end() == 0


def test_a_surface_in_the_path_is_the_events_own(world: World, ask: Ask) -> None:
    """An event that names no surface happened on that of the path."""
    ask("POST", "/v1/surfaces/default/events", json={"user_id": "u", "item_id": "i"})
    ask("POST", "/v1/events", json={"user_id": "u", "item_id": "i"})
    assert world.log.read(0).column("surface").to_pylist() == ["default", None]


def test_what_is_known_of_a_user(world: World, ask: Ask) -> None:
    """Each view with its features and their age, and how much the user has had; a stranger is a 404."""
    world.log.append(batch(event("a", user_id="known", item_id="r1-i0"), event("b", user_id="known", item_id="r1-i0")))
    told = ask("GET", "/v1/users/known").json()
    assert (told["user_id"], told["seen"]) == ("known", 1)
    profile = told["views"]["user_profile"]
    assert (profile["features"], profile["event_timestamp"]) == ({"taste": 1.0}, "2026-03-01T00:00:00Z")
    assert profile["age_s"] == 0.0
    assert told["views"]["user_stale"] == {"event_timestamp": None, "age_s": None, "features": {"mood": None}}
    missing = ask("GET", "/v1/users/who%2Fever")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
