"""Releases and refreshes over the API."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratoon.domain.errors import Conflict
from ratoon.jobs.book import Shown
from ratoon.jobs.run import ASKED
from ratoon.registry import FileRegistry
from ratoon.serving import create_app
from tests.fakes.serving_world import Ask, World, asking, published
from tests.fakes.work import book, job, publisher, reported, says

Made = tuple[World, FileRegistry]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Two releases in files."""
    registry = FileRegistry(tmp_path / "releases", "default")
    for number in (1, 2):
        published(registry, number)
    world = World.at(tmp_path, releases=registry)
    yield world, registry
    world.log.close()


def test_what_is_kept_is_listed(made: Made) -> None:
    """Releases are listed newest first, the served one marked, and whether refreshing is on hold."""
    world, registry = made
    with asking(create_app(world.rooms)) as ask:
        told = ask("GET", "/v1/releases").json()
        assert [one["id"] for one in told["releases"]] == [one.id for one in registry.releases()]
        assert [(one["sequence"], one["current"]) for one in told["releases"]] == [(2, True), (1, False)]
        assert told["held"] == ""


def test_an_earlier_release_is_served_again(made: Made) -> None:
    """Activating publishes its content as a new release, which is soon served, and holds refreshing with the reason."""
    world, registry = made
    first = registry.releases()[-1].id
    with asking(create_app(world.rooms)) as ask:
        tag = ask("GET", "/v1/releases/current").headers["ETag"]
        again = ask("POST", f"/v1/releases/{first[:10]}/activate", json={"reason": "two is bad"}).json()
        assert (again["sequence"], again["scope"], again["current"]) == (3, "rollback", True)
        while ask("GET", "/v1/releases/current").json()["sequence"] != 3:
            pass
        assert ask("GET", "/v1/releases/current").headers["ETag"] != tag
        assert ask("GET", "/v1/releases").json()["held"] == "two is bad"
        found = ask("POST", "/v1/retrieve", json={"item_ids": ["r1-i0"], "k": 1}).json()
        assert found["release"] == again["id"]
        served = ask("POST", f"/v1/releases/{again['id']}/activate", json={"reason": "once more"})
        assert (served.status_code, served.json()["code"]) == (409, "conflict")
        assert "which is served" in served.json()["detail"]


@pytest.mark.parametrize(
    ("release", "body", "status", "code"),
    [
        ("f00d", {"reason": "why"}, 404, "not_found"),
        ("F00D", {"reason": "why"}, 422, "invalid"),
        ("abc", {"reason": "why"}, 422, "invalid"),
        ("f00d", {"reason": "  "}, 422, "invalid"),
        ("f00d", {}, 422, "invalid"),
    ],
)
def test_what_cannot_be_activated(made: Made, release: str, body: Any, status: int, code: str) -> None:
    """An id that is unknown or none, and a missing reason, change nothing."""
    world, registry = made
    with asking(create_app(world.rooms)) as ask:
        answer = ask("POST", f"/v1/releases/{release}/activate", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (len(registry.releases()), registry.held()) == (2, "")


def test_a_known_release_is_not_told_again(ask: Ask) -> None:
    """With the tag that is known the answer is 304 and empty, weak tags and lists included; with another one it is whole."""
    tag = ask("GET", "/v1/releases/current").headers["ETag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}"):
        answer = ask("GET", "/v1/releases/current", headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
    assert ask("GET", "/v1/releases/current", headers={"If-None-Match": '"x"'}).status_code == 200


def _saying(said: object, code: int = 0, gate: Path | None = None) -> list[str]:
    """A program that waits for a file, says something as a refresh does, complains of its arguments, and ends."""
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n" if gate else ""
    return says(f"{wait}import sys\nsys.stderr.write(' '.join(sys.argv[1:]))\nprint({json.dumps(said)!r})\nsys.exit({code})")


def _ended(ask: Ask, path: str) -> Any:
    while (run := ask("GET", path).json())["status"] == "running":
        time.sleep(0.01)
    return run


@pytest.mark.parametrize(
    ("said", "code", "status", "verdict", "reason"),
    [
        (reported("published"), 0, "ok", "published", "five events"),
        (reported("refused"), 3, "refused", "refused", "five events"),
        (reported("held", "on hold: two is bad"), 0, "ok", "held", "on hold: two is bad"),
        (reported("published"), 1, "failed", "", "refresh --surface default --json --scope rows"),
        (["a list"], 0, "failed", "", "what it printed is not what `refresh` says: TypeError"),
    ],
)
def test_a_refresh_is_a_run_that_ends(tmp_path: Path, said: object, code: int, status: str, verdict: str, reason: str) -> None:
    """A refresh is a process of its own; its run says how it ended and why, and stands in the ledger with the same fields."""
    world = World.at(tmp_path, program=_saying(said, code))
    with asking(create_app(world.rooms)) as ask:
        begun = ask("POST", "/v1/refresh", json={"scope": "rows"})
        assert (begun.status_code, begun.json()["status"], begun.json()["ended"]) == (202, "running", None)
        assert begun.headers["Location"] == f"/v1/runs/{begun.json()['id']}"
        run = _ended(ask, begun.headers["Location"])
    assert (run["status"], run["verdict"], run["trigger"], run["job"]) == (status, verdict, "api", ASKED)
    assert reason in run["reason"]
    assert run["stderr"] == "refresh --surface default --json --scope rows"
    assert run["ended"] >= run["started"]
    (kept,) = book(tmp_path, {}, []).ledger.newest(5)
    assert run == Shown(kept, None).plain() | {"id": str(kept.id)}
    world.log.close()


def test_the_run_of_a_job_is_told(tmp_path: Path) -> None:
    """What a worker or cron has run is found by its id, with what it cost; the next refresh is another run of the same list."""
    (tmp_path / "events").write_text("7")
    of = book(tmp_path, {"learn": job()}, publisher(tmp_path))
    run = of.to_completion("learn", of.decided("learn"), lambda _: None)
    world = World.at(tmp_path, program=_saying(reported("skipped")))
    with asking(create_app(world.rooms)) as ask:
        told = ask("GET", f"/v1/runs/{run.id}").json()
        assert (told["job"], told["trigger"], told["verdict"], told["window"]) == ("learn", "schedule", "published", [0, 7])
        assert told["cpu_seconds"] == run.cpu_seconds > 0
        assert told == of.shown(run).plain() | {"id": str(run.id)}
        asked = ask("POST", "/v1/refresh", json={}).json()
        assert asked["id"] == str(run.id + 1)
        _ended(ask, f"/v1/runs/{asked['id']}")
    world.log.close()


def test_one_refresh_at_a_time(tmp_path: Path) -> None:
    """While a surface's refresh runs, another one is a 409, and a worker waits; once it has ended, it can be asked for again."""
    gate = tmp_path / "go on"
    world = World.at(tmp_path, program=_saying(reported("skipped"), gate=gate))
    of = book(tmp_path, {"learn": job()}, says("pass"))
    with asking(create_app(world.rooms)) as ask:
        first = ask("POST", "/v1/refresh", json={})
        second = ask("POST", "/v1/refresh", json={})
        assert (second.status_code, second.json()["code"]) == (409, "conflict")
        with pytest.raises(Conflict, match="expected nobody at work on releases of default"):
            of.begun("learn", of.decided("learn"))
        gate.touch()
        assert _ended(ask, first.headers["Location"])["verdict"] == "skipped"
        again = ask("POST", "/v1/refresh", json={})
        assert again.status_code == 202
        _ended(ask, again.headers["Location"])
    world.log.close()


def test_a_refresh_ends_with_its_server(tmp_path: Path) -> None:
    """A server that is told to end takes its refresh along and writes that down: nobody waits for a lease to run out."""
    world = World.at(tmp_path, program=_saying(reported("published"), gate=tmp_path / "never"))
    with asking(create_app(world.rooms)) as ask:
        run = ask("POST", "/v1/refresh", json={}).json()
    ended = book(tmp_path, {}, []).ledger.get(int(run["id"]))
    assert ended is not None
    assert (ended.status, ended.reason) == ("stopped", "its worker was asked to end")
    world.log.close()


@pytest.mark.parametrize("run_id", ["1", "0" * 32, "..%2Frefreshes", "x" * 256, "%F0%9F%8E%AC", "a b", "%D9%A3"])
def test_a_run_that_never_was_is_not_found(ask: Ask, run_id: str) -> None:
    """No id leads anywhere but to runs."""
    answer = ask("GET", f"/v1/runs/{run_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_ledger_that_cannot_be_used_is_ours(tmp_path: Path) -> None:
    """A run that nobody could follow is not begun, and one that cannot be read is no answer: both are a 503."""
    (tmp_path / "jobs.sqlite").write_bytes(b"no database" * 100)
    world = World.at(tmp_path, program=_saying(reported("published")))
    with asking(create_app(world.rooms)) as ask:
        for answer in (ask("POST", "/v1/refresh", json={}), ask("GET", "/v1/runs/1")):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    world.log.close()
