"""Releases and refreshes over the API."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratoon.registry import FileRegistry
from ratoon.serving import create_app
from ratoon.serving.refreshing import KEPT
from tests.fakes.serving_world import Ask, World, asking, published

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


def _saying(report: object, code: int, gate: Path | None = None) -> list[str]:
    """A command that waits for a file, says something as a refresh does, and ends."""
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n" if gate else ""
    said = report if isinstance(report, str) else json.dumps(report)
    return [sys.executable, "-c", f"{wait}import sys\nsys.stderr.write('about to end')\nprint({said!r})\nsys.exit({code})"]


def _ended(ask: Ask, path: str) -> Any:
    while (run := ask("GET", path).json())["status"] == "running":
        time.sleep(0.01)
    return run


@pytest.mark.parametrize(
    ("report", "code", "status"),
    [
        ({"outcome": "published", "scope": "rows"}, 0, "published"),
        ({"outcome": "refused"}, 3, "refused"),
        ({"outcome": "skipped"}, 0, "skipped"),
        ({"outcome": "held", "plan": {"scope": "skip", "reason": "about to end"}}, 0, "held"),
        ({"outcome": "published"}, 1, "failed"),
        ({"outcome": "odd"}, 0, "failed"),
        (["a list"], 0, "failed"),
        ("no JSON", 0, "failed"),
        ("", 5, "failed"),
    ],
)
def test_a_refresh_is_a_run_that_ends(tmp_path: Path, report: object, code: int, status: str) -> None:
    """A refresh is a process of its own; its run says how it ended, with the report where there was one."""
    asked: list[tuple[str, str]] = []

    def command(surface: str, scope: str) -> list[str]:
        asked.append((surface, scope))
        return _saying(report, code)

    world = World.at(tmp_path, command=command)
    with asking(create_app(world.rooms)) as ask:
        begun = ask("POST", "/v1/refresh", json={"scope": "rows"})
        assert (begun.status_code, begun.json()["status"], begun.json()["ended"]) == (202, "running", None)
        assert begun.headers["Location"] == f"/v1/runs/{begun.json()['id']}"
        run = _ended(ask, begun.headers["Location"])
    assert asked == [("default", "rows")]
    assert (run["status"], run["detail"]) == (status, "about to end")
    assert (run["report"] == report) is isinstance(report, dict)
    assert run["ended"] >= run["started"]
    world.log.close()


def test_a_refresh_that_is_on_hold_says_why(tmp_path: Path) -> None:
    """What the process complained of is not the reason: that is what its plan says."""
    report = {"outcome": "held", "plan": {"scope": "skip", "reason": "on hold: two is bad"}}
    world = World.at(tmp_path, command=lambda *_: _saying(report, 0))
    with asking(create_app(world.rooms)) as ask:
        run = _ended(ask, ask("POST", "/v1/refresh", json={}).headers["Location"])
    assert (run["status"], run["detail"]) == ("held", "on hold: two is bad")
    world.log.close()


def test_one_refresh_at_a_time(tmp_path: Path) -> None:
    """While a surface's refresh runs, another one is a 409; once it has ended, it can be asked for again."""
    gate = tmp_path / "go on"
    world = World.at(tmp_path, command=lambda *_: _saying({"outcome": "skipped"}, 0, gate))
    with asking(create_app(world.rooms)) as ask:
        first = ask("POST", "/v1/refresh", json={})
        second = ask("POST", "/v1/refresh", json={})
        assert (second.status_code, second.json()["code"]) == (409, "conflict")
        gate.touch()
        assert _ended(ask, first.headers["Location"])["status"] == "skipped"
        again = ask("POST", "/v1/refresh", json={})
        assert again.status_code == 202
        _ended(ask, again.headers["Location"])
    world.log.close()


@pytest.mark.parametrize("run_id", ["0" * 32, "..%2Frefreshes", "x" * 256, "%F0%9F%8E%AC", "a b"])
def test_a_run_that_never_was_is_not_found(ask: Ask, run_id: str) -> None:
    """No id leads anywhere but to runs."""
    answer = ask("GET", f"/v1/runs/{run_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_damaged_run_is_ours(tmp_path: Path) -> None:
    """What is remembered of a run and cannot be read is a 503, not an answer."""
    world = World.at(tmp_path)
    (tmp_path / "refreshes").mkdir(exist_ok=True)
    (tmp_path / "refreshes" / f"{'a' * 32}.json").write_text("{")
    with asking(create_app(world.rooms)) as ask:
        answer = ask("GET", f"/v1/runs/{'a' * 32}")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    world.log.close()


def test_old_runs_are_forgotten(tmp_path: Path) -> None:
    """So many runs are remembered, and no more."""
    folder = tmp_path / "refreshes"
    folder.mkdir()
    for number in range(KEPT + 5):
        (folder / f"{number:032x}.json").write_text("{}")
    world = World.at(tmp_path, command=lambda *_: _saying({"outcome": "skipped"}, 0))
    with asking(create_app(world.rooms)) as ask:
        path = ask("POST", "/v1/refresh", json={}).headers["Location"]
        assert _ended(ask, path)["status"] == "skipped"
    assert len(list(folder.glob("*.json"))) == KEPT
    world.log.close()
