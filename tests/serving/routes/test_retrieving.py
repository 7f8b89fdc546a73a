"""The routes that read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import current_thread

import pytest

from ratoon.adopt import Live
from ratoon.domain.predicate import Predicate
from ratoon.features.quality.accepted import Accepted
from ratoon.index.filters import current
from ratoon.index.filters.current import Filters
from ratoon.index.filters.matches import Matches
from ratoon.serving import Policy, Surface, create_app
from tests.fakes.events import START, batch, event
from tests.fakes.serving_world import Ask, MemoryRegistry, World, asking, ids


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[World]:
    """A world before its first release."""
    made = World.at(tmp_path)
    yield made
    made.log.close()


def test_a_known_user_gets_a_ranked_answer(world: World, ask: Ask) -> None:
    """The answer has k candidates with score, rank and title, says which release made it, and echoes the request's id."""
    answer = ask("POST", "/v1/retrieve", json={"user_id": "known", "k": 2}, headers={"X-Request-ID": "mine-1"})
    assert answer.status_code == 200
    told = answer.json()
    assert told.pop("took_ms").keys() == {"features", "embed", "search", "render", "total"}
    assert told == {
        "request_id": "mine-1",
        "user_id": "known",
        "source": "tower",
        "release": world.registry.history[0].id,
        "sequence": 1,
        "watermark": "2026-03-01T00:00:00Z",
        "staleness_s": 0.0,
        "adopting": False,
        "candidates": [
            {
                "item_id": f"r1-i{place}",
                "score": 10.0 - place,
                "rank": place + 1,
                "item": {"title": f"Title r1-i{place}"},
                "source": "index",
            }
            for place in range(2)
        ],
    }
    assert datetime.fromisoformat(told["watermark"]) == START


def test_an_unknown_user_is_answered(ask: Ask) -> None:
    """Whoever has no features gets 200 with source `cold`, not an error."""
    answer = ask("POST", "/v1/retrieve", json={"user_id": "nobody", "k": 3})
    assert (answer.json()["source"], len(ids(answer))) == ("cold", 3)


def test_options_reach_the_flow(world: World, ask: Ask) -> None:
    """Exclusions, seen items and the popular source do what they say."""
    world.log.append(batch(event("a", user_id="known", item_id="r1-i0"), event("b", user_id="x", item_id="r1-i6")))
    user = {"user_id": "known", "k": 2}
    assert ids(ask("POST", "/v1/retrieve", json=user | {"exclude_ids": ["r1-i1"]})) == ["r1-i2", "r1-i3"]
    assert ids(ask("POST", "/v1/retrieve", json=user | {"exclude_seen": False})) == ["r1-i0", "r1-i1"]
    popular = ask("POST", "/v1/retrieve", json=user | {"source": "popular"})
    assert (ids(popular), popular.json()["source"]) == (["r1-i6"], "popular")


def test_a_filter_reaches_the_flow(ask: Ask) -> None:
    """Candidates are those of which the filter is true, for known and unknown users alike."""
    titles = {"any": [{"column": "title", "in": ["Title r1-i2", "Title r1-i9"]}, {"column": "title", "eq": "Title r1-i5"}]}
    only = {"all": [titles, {"not": {"column": "title", "eq": "Title r1-i9"}}]}
    for user in ("known", "nobody"):
        assert ids(ask("POST", "/v1/retrieve", json={"user_id": user, "filter": only})) == ["r1-i2", "r1-i5"]
        assert len(ids(ask("POST", "/v1/retrieve", json={"user_id": user, "filter": None}))) == 10


def test_a_new_filter_is_evaluated_beside_the_answers(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes long is done in another thread, once, alone or in a batch; what cannot be asked is refused before."""
    threads, matches = dict[str, bool](), Filters.matches

    def noted(own: Filters, only: Predicate) -> Matches:
        threads[f"{only}"] = threads.get(f"{only}", False) or current_thread().name.startswith("AnyIO")
        return matches(own, only)

    monkeypatch.setattr(current, "FEW", 0)
    monkeypatch.setattr(Filters, "matches", noted)
    bodies = [{"user_id": "known", "filter": {"column": "title", "eq": f"Title r1-i{place}"}} for place in range(3)]
    assert [ids(ask("POST", "/v1/retrieve", json=body)) for body in bodies[:1] * 2] == [["r1-i0"]] * 2
    (alone,) = threads
    assert threads.pop(alone)
    assert ids(ask("POST", "/v1/retrieve", json=bodies[0])) == ["r1-i0"]
    assert threads == {alone: False}
    assert ask("POST", "/v1/retrieve/batch", json={"requests": bodies[1:]}).status_code == 200
    assert threads.pop(alone) is False
    assert list(threads.values()) == [True, True]
    threads.clear()
    wrong = {"user_id": "known", "filter": {"column": "year", "eq": 1}}
    assert ask("POST", "/v1/retrieve", json=wrong).status_code == 409
    assert threads == {}


@pytest.mark.parametrize(
    ("wrong", "status", "pointer", "detail"),
    [
        (
            {"all": [{"column": "title", "eq": "a"}, {"column": "year", "ge": 1}]},
            409,
            "#/filter/all/1/column",
            "by (title), found",
        ),
        ({"not": {"column": "title", "eq": 7}}, 409, "#/filter/not/eq", "expected a string, as in column title, found 7"),
        ({"column": "title"}, 422, "#/filter", "expected one of all, any and not, or a column"),
        ({"any": []}, 422, "#/filter/any", "expected a list of one condition or more, found []"),
        ({}, 422, "#/filter", "found {}"),
        ("title = 'a'", 422, "#/filter", "expected one of all, any and not, or a column"),
    ],
)
def test_a_wrong_filter_is_a_problem_with_its_place(ask: Ask, wrong: object, status: int, pointer: str, detail: str) -> None:
    """What is no filter is a 422, what fits no column a 409; both point at the part, for known and unknown users alike."""
    for user in ("known", "nobody"):
        answer = ask("POST", "/v1/retrieve", json={"user_id": user, "filter": wrong})
        assert (answer.status_code, answer.json()["code"]) == (status, "unfit" if status == 409 else "invalid")
        (told,) = answer.json()["errors"]
        assert told["pointer"] == pointer
        assert detail in told["detail"]


def test_the_policy_gives_the_defaults(tmp_path: Path) -> None:
    """What a request leaves open is answered as the surface's policy says."""
    world = World.at(tmp_path, policy=Policy(k=3, exclude_seen=False))
    world.registry.release(1)
    world.online.known.add("known")
    world.log.append(batch(event("a", user_id="known", item_id="r1-i0")))
    with asking(create_app(world.rooms)) as ask:
        assert ids(ask("POST", "/v1/retrieve", json={"user_id": "known"})) == ["r1-i0", "r1-i1", "r1-i2"]
        assert len(ids(ask("POST", "/v1/retrieve", json={"user_id": "known", "exclude_seen": True}))) == 3
    world.log.close()


def test_surfaces_see_one_log_by_what_counts_there(world: World, tmp_path: Path) -> None:
    """Where only watching counts, what was merely shown is still offered and is not popular; where all counts, it is neither."""
    registry = MemoryRegistry("films")
    registry.release(1)
    films = Surface(Live(), registry, Accepted(world.log, tmp_path, types=("watch",)))
    rooms = replace(world.rooms, surfaces={**world.rooms.surfaces, "films": films})
    watched = {"user_id": "known", "item_id": "r1-i1", "type": "watch"}
    shown = {"user_id": "known", "item_id": "r1-i0", "type": "impression"}
    others = [{"user_id": f"u{n}", "item_id": "r1-i0", "type": "impression"} for n in range(5)]
    with asking(create_app(rooms)) as ask:
        assert ask("POST", "/v1/events", json={"events": [watched, shown, *others]}).json()["accepted"] == 7
        for question, by_watching, by_all in (
            ({"user_id": "known"}, ["r1-i0", "r1-i2"], ["r1-i2", "r1-i3"]),
            ({"user_id": "nobody"}, ["r1-i1", "r1-i0"], ["r1-i0", "r1-i1"]),
            ({"user_id": "nobody", "source": "popular"}, ["r1-i1"], ["r1-i0", "r1-i1"]),
        ):
            asked = {**question, "k": 2}
            assert ids(ask("POST", "/v1/retrieve", json={**asked, "surface": "films"})) == by_watching
            assert ids(ask("POST", "/v1/retrieve", json=asked)) == by_all


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/retrieve"), ("GET", "/v1/releases/current?surface=home")])
def test_an_unknown_surface_is_not_found(ask: Ask, method: str, path: str) -> None:
    """A surface that is not configured is a 404 that lists those that are."""
    answer = ask(method, path, json={"user_id": "u", "surface": "home"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_surface")
    assert answer.json()["detail"] == "Expected one of default, found 'home'. Ask for a configured surface."


def test_before_the_first_release(empty: World) -> None:
    """A server without a release starts, lives, is not ready, says what to run, and serves as soon as there is one."""
    with asking(create_app(empty.rooms)) as ask:
        assert ask("GET", "/healthz").status_code == 200
        for method, path in (("GET", "/readyz"), ("POST", "/v1/retrieve"), ("GET", "/v1/releases/current")):
            answer = ask(method, path, json={"user_id": "u"})
            assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
            assert answer.json()["detail"] == "Expected a release, found none yet. Run `ratoon bootstrap`."
            assert answer.headers["Retry-After"] == "1"
        assert "ratoon bootstrap" in ask("GET", "/").text
        empty.registry.release(1)
        while ask("GET", "/readyz").status_code != 200:
            pass
        assert len(ids(ask("POST", "/v1/retrieve", json={"user_id": "u"}))) == 10


def test_the_current_release_is_described(world: World, ask: Ask) -> None:
    """The release that answers is described with its watermark, as a time and as an offset, and how many items it has."""
    found = ask("GET", "/v1/releases/current").json()
    assert found["id"] == world.registry.history[0].id
    assert (found["sequence"], found["watermark"], found["offset"], found["items"]) == (1, "2026-03-01T00:00:00Z", 0, 10)
    assert (found["surface"], found["scope"], found["dim"], found["metric"], found["parent"]) == ("default", "full", 2, "dot", "")
