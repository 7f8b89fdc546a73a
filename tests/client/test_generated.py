"""Every method, asked of a real server over a small world."""

import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ratoon.client import Client, Conflict, EventBody, Invalid, NotFound, Problem, RetrieveAnswer, Unavailable, where
from ratoon.domain.release import Release
from ratoon.serving import create_app
from tests.client.conftest import Opened
from tests.client.servers import Asking, listening
from tests.fakes.serving_world import MemoryRegistry, World
from tests.fakes.work import reported, says

AWKWARD = ["a/b", "../..", ".", "..", "a b?c#d%2F&e=1", "naïve ☃ 🎬", "line\nbreak", "100%", "similar", "x/"]
"""Ids that paths could mistake for something else."""


class Returning(MemoryRegistry):
    """Can go back."""

    def rollback(self, to: str | None, reason: str, *, of: str | None = None) -> Release:
        assert reason
        assert of is None
        old = next(one for one in self.history if one.id.startswith(to or ""))
        sequence = self.history[-1].sequence + 1
        return self.publish(replace(old, id=f"{sequence:064x}", sequence=sequence, scope="rollback"), self.stored[old.id])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Releases 1 and 2 published, one known user."""
    made = World.at(
        tmp_path,
        releases=(registry := Returning()),
        program=says(f"print({json.dumps(reported('skipped'))!r})"),
    )
    made.registry = registry
    registry.release(1)
    registry.release(2)
    made.online.known.add("known")
    with closing(made.log):
        yield made


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with listening(create_app(world.rooms)) as address:
        yield address


@pytest.fixture
def ask(opened: Opened, url: str) -> Asking:
    return opened(url)


def test_retrieving(ask: Asking) -> None:
    """An answer has candidates as objects, best first, what release they are from, and times as times."""
    answer = ask.retrieve(user_id="known", k=3)
    assert [one.item_id for one in answer.candidates] == ["r2-i0", "r2-i1", "r2-i2"]
    assert [one.rank for one in answer.candidates] == [1, 2, 3]
    assert answer.candidates[0].item["title"] == "Title r2-i0"
    assert (answer.source, answer.user_id, answer.sequence) == ("tower", "known", 2)
    assert answer.watermark.utcoffset() is not None
    assert (answer.item_ids, answer.scores, answer.vector, answer.features) == ([], [], [], None)
    assert answer.took_ms.total > 0


def test_retrieving_in_other_ways(ask: Asking) -> None:
    """Columns, inclusions, exclusions, filters, session events and vectors go in as arguments and come back typed."""
    columns = ask.retrieve(user_id="known", k=2, format="columns", exclude_ids=("r2-i0",))
    assert (columns.item_ids, columns.candidates) == (["r2-i1", "r2-i2"], [])
    assert columns.scores[0] > columns.scores[1]
    told = ask.retrieve(user_id="known", k=1, include=["features", "vectors", "explain"])
    assert told.features == {"taste": 1.0}
    assert len(told.vector) == len(told.candidates[0].vector) > 0
    assert told.candidates[0].explain.taste == told.candidates[0].score
    only = ask.retrieve(
        user_id="known", filter=where("title").one_of(["Title r2-i4", "Title r2-i5"]) & ~where("title").equals("-")
    )
    assert {one.item_id for one in only.candidates} == {"r2-i4", "r2-i5"}
    assert ask.retrieve(vector=told.vector, k=1).source == "vector"
    assert ask.retrieve(item_ids=["r2-i3"], k=1).source == "items"
    assert ask.retrieve(user_id="nobody", events=[{"item_id": "r2-i0", "value": 3}]).source == "tower"
    assert ask.similar("r2-i0", k=4).source == "items"
    assert len(ask.similar("r2-i0", k=4).candidates) == 4


def test_a_batch_tells_what_is_wrong_in_its_place(ask: Asking) -> None:
    """A batch has an answer or a problem for each question, in order."""
    first, second = ask.retrieve_batch([{"user_id": "known", "k": 2}, {"item_ids": ["nothing"]}]).results
    assert isinstance(first, RetrieveAnswer)
    assert [one.item_id for one in first.candidates] == ["r2-i0", "r2-i1"]
    assert isinstance(second, NotFound)
    assert (second.status, second.code) == (404, "not_found")


def test_events(ask: Asking, world: World) -> None:
    """One event or several are in the log once answered, and sent again under the same key they count once."""
    event: EventBody = {"user_id": "u", "item_id": "r2-i0", "type": "click", "request_id": "r"}
    done = ask.events(event)
    assert (done.accepted, done.duplicates, done.offset, done.applied) == (1, 0, 1, True)
    assert ask.events([event, {"kind": "remove", "item_id": "r2-i1"}]).accepted == 2
    assert ask.events([event, event], idempotency_key="mine").accepted == 2
    assert ask.events([event, event], idempotency_key="mine").duplicates == 2
    with pytest.raises(Conflict, match="idempotency_key_reused"):
        ask.events([event, event | {"value": 2}], idempotency_key="mine")
    assert world.log.end() == 5


def test_items(ask: Asking, world: World) -> None:
    """Items are added, seen, changed and removed; what is not there is NotFound."""
    assert ask.add_item("new", features={"title": "New", "worth": 100.0}).retrievable == "now"
    assert ask.item("new").source == "features"
    assert ask.retrieve(user_id="known", k=1).candidates[0].item_id == "new"
    assert ask.change_item("new", {"title": "Newer"}, idempotency_key="k").item_id == "new"
    assert ask.change_item("new", {"title": "Newer"}, idempotency_key="k").offset == world.log.end()
    assert ask.item("new").item["title"] == "Newer"
    assert ask.remove_item("new").offset == world.log.end()
    assert ask.add_items([{"item_id": "a"}, {"item_id": "b", "features": {"worth": 5.0}}]).accepted == 2
    assert world.log.end() == 5
    with pytest.raises(NotFound, match="Expected an item that is served, found 'new'"):
        ask.item("new")
    with pytest.raises(NotFound):
        ask.change_item("new", {"title": "Newest"})


def test_ids_may_hold_anything(ask: Asking) -> None:
    """Slashes, dots, question marks, line breaks and emoji in ids arrive as they are."""
    for awkward in AWKWARD:
        ask.add_item(awkward, features={"title": "T", "worth": 100.0})
        assert ask.item(awkward).item_id == awkward
        assert awkward not in [one.item_id for one in ask.similar(awkward).candidates]
        ask.events({"user_id": awkward, "item_id": awkward})
        assert (ask.user(awkward).user_id, ask.user(awkward).seen) == (awkward, 1)
        assert ask.remove_item(awkward).item_id == awkward


def test_users(ask: Asking) -> None:
    """A user's features come by view, with their ages; expired ones have none."""
    known = ask.user("known")
    assert known.views["user_profile"].features == {"taste": 1.0}
    assert known.views["user_profile"].age_s == 0.0
    assert (known.views["user_stale"].event_timestamp, known.views["user_stale"].age_s) == (None, None)
    with pytest.raises(NotFound):
        ask.user("nobody")


def test_releases(ask: Asking) -> None:
    """Releases are listed newest first, the current one is described, and an earlier one can be served again."""
    assert [one.sequence for one in ask.releases().releases] == [2, 1]
    assert ask.current_release().items == 10
    again = ask.activate(f"{1:064x}", "the second is worse")
    assert (again.sequence, again.scope, again.current) == (3, "rollback", True)
    with pytest.raises(NotFound):
        ask.activate("ffff", "never published")


def test_refreshing(ask: Asking) -> None:
    """A refresh answers with its run, which can be looked at."""
    run = ask.refresh(scope="rows")
    assert (run.status, run.surface, run.trigger) == ("running", "default", "api")
    while (seen := ask.run(run.id)).status == "running":
        pass
    assert (seen.status, seen.verdict, seen.window, seen.refresh) == ("ok", "skipped", [3, 8], None)
    assert seen.ended >= seen.started == run.started
    with pytest.raises(NotFound):
        ask.run(uuid.uuid4().hex)


def test_trials(ask: Asking) -> None:
    """Where no release is on trial there is none to look at, to promote or to end."""
    for call in (ask.trial, ask.promote_trial, partial(ask.end_trial, "enough was seen")):
        with pytest.raises(NotFound, match="Expected a release on trial for surface 'default', found none"):
            call()


def test_the_process(ask: Asking) -> None:
    """What is not about a surface is text, and is asked without one."""
    assert ask.healthz() == "ok\n"
    assert ask.readyz() == "ready\n"
    assert "ratoon_" in ask.metrics()


def test_not_ready(opened: Opened, tmp_path: Path) -> None:
    """A server without a release is Unavailable, and `readyz` says so at once."""
    with closing((world := World.at(tmp_path)).log), listening(create_app(world.rooms)) as url:
        ask = opened(url)
        with pytest.raises(Unavailable, match="503 not_ready: Expected a release"):
            ask.readyz()
        assert ask.slept == []


def test_surfaces(opened: Opened, url: str) -> None:
    """The client's surface holds for every call that does not name another."""
    ask = opened(url, surface="default")
    assert ask.retrieve(user_id="known", k=1).sequence == 2
    assert ask.healthz() == "ok\n"
    with pytest.raises(NotFound, match="unknown_surface"):
        ask.retrieve(user_id="known", surface="other")
    with pytest.raises(NotFound, match="unknown_surface"):
        ask.user("known", surface="other")


def test_mistakes(ask: Asking) -> None:
    """What the document forbids is Invalid, with the field; what does not fit what is served is a Conflict."""
    with pytest.raises(Invalid) as invalid:
        ask.retrieve(user_id="known", k=0)
    assert invalid.value.errors[0].pointer == "#/k"
    with pytest.raises(Conflict, match="unfit"):
        ask.retrieve(user_id="known", filter=where("nowhere").equals(1))


def test_what_has_no_method(ask: Asking) -> None:
    """`request` gives any answer's JSON as it came."""
    told = ask.request("POST", "/v1/retrieve", {"user_id": "known", "k": 1}, repeatable=True)
    assert told["candidates"][0]["item_id"] == "r2-i0"
    with pytest.raises(Problem, match="404 not_found"):
        ask.request("GET", "/v1/nowhere", repeatable=True)


def test_five_lines(url: str, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines of the README work, and satisfy a type checker."""
    with Client(url) as ratoon:
        answer = ratoon.retrieve(user_id="196", k=10)
        print([one.item["title"] for one in answer.candidates])
        first = answer.candidates[0].item_id
        ratoon.events({"user_id": "196", "item_id": first, "type": "click", "request_id": answer.request_id})
    assert capsys.readouterr().out.startswith("['Title r2-i")
    assert world.log.seen("196") == [first]
