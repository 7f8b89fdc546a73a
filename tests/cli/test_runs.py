"""Runs on the command line: what is kept of one, and what differs between two."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.window import Window
from ratoon.jobs.book import Book, opened
from ratoon.jobs.due import Decision
from ratoon.jobs.run import Run
from ratoon.jobs.slots import Slot
from ratoon.wiring import House
from tests.fakes.work import publisher, says

TOML = '[jobs.learn]\ndo = "refresh"\nevery = "1 h"\n[costs]\ncpu_hour = 3600.0\n'


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of two runs, each with a release and a record, and `again`: a copy from between them in which the second was run."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "ratoon.toml").write_text(TOML)
    (folder / "home").mkdir()
    (folder / "home" / "keeps").touch()
    ran(folder / "home", 4)
    shutil.copytree(folder / "home", folder / "again")
    ran(folder / "home", 7)
    ran(folder / "again", 7)
    return folder


@pytest.fixture
def home(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, of one's own."""
    shutil.copytree(kept, tmp_path / "mine")
    monkeypatch.setenv("RATOON_CONFIG", str(tmp_path / "mine" / "ratoon.toml"))
    monkeypatch.setenv("RATOON_HOME", str(tmp_path / "mine" / "home"))
    return tmp_path / "mine" / "home"


def book(home: Path, program: list[str] | None = None) -> Book:
    """As commands open it for a home, with another program in the place of `ratoon`."""
    house = House(config.load(environment={"RATOON_CONFIG": str(home.parent / "ratoon.toml"), "RATOON_HOME": str(home)}))
    return replace(opened(house, lambda: datetime.now(UTC)), program=program or publisher(home))


def ran(home: Path, events: int, program: list[str] | None = None) -> Run:
    (home / "events").write_text(str(events))
    at = datetime.now(UTC)
    return book(home, program).to_completion("learn", Decision(Slot(at.isoformat(), at, at), "schedule", "due"), sleep)


def two(home: Path) -> tuple[Run, Run]:
    """The runs that there are."""
    second, first = book(home).ledger.newest(2)
    return first, second


def ratoon(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["runs", *map(str, words)])


def said(*words: str | Path) -> Any:
    done = ratoon(*words, "--json")
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def test_a_run_says_what_it_did_and_cost(home: Path) -> None:
    """Window, parent, release, record, bytes, code and the price of its processor time; and what the refresh kept."""
    first, second = two(home)
    shown = said("show", str(second.id))
    assert (shown["window"], shown["parent"], shown["record"]) == ([4, 7], first.release, 2)
    assert shown["bytes"] == sum(shown["refresh"]["files"].values()) > 0
    assert shown["cost"] == pytest.approx(shown["cpu_seconds"])
    assert shown["version"].startswith("0.1.0+")
    assert "refresh 2 of surface 'default': `ratoon report 2` draws it" in ratoon("show", str(second.id)).stdout


def test_the_same_work_done_again_is_the_same_release(home: Path) -> None:
    """In a copy of the home the same window gives the same release id, and nothing differs but times; text says so, too."""
    again = home.parent / "again"
    here, there = two(home)[1], two(again)[1]
    told = said("diff", str(here.id), str(there.id), "--in", again)
    assert (told["same_work"], told["same_release"]) == (True, True)
    assert (told["tensors"]["equal"], told["tensors"]["differing"]) == (2, [])
    assert {fact["kind"] for fact in told["facts"] if fact["differs"]} <= {"asked", "time"}
    text = ratoon("diff", str(here.id), there.release[:8], "--in", again).stdout
    assert f"made the same release, {here.release}" in text
    assert "they did the same: nothing differs but when it was and how long it took" in text


def test_what_differs_is_named_and_measured(home: Path) -> None:
    """Window, parent, release and rows of two runs, and the tensors that moved with how far; a prefix names a run, too."""
    first, second = two(home)
    told = said("diff", str(first.id), second.release[:10])
    assert (told["b"], told["same_work"], told["same_release"]) == (f"run {second.id}", False, False)
    work = {fact["name"]: (fact["a"], fact["b"]) for fact in told["facts"] if fact["kind"] == "work" and fact["differs"]}
    assert work["window"] == ("0 to 4", "4 to 7")
    assert work["parent"] == ("", first.release)
    assert work["release"] == (first.release, second.release)
    assert work["rows/join"] == (4, 3)
    assert not {"seed", "plan", "code", "verdict"} & work.keys()
    table = next(one for one in told["tensors"]["differing"] if one["tensor"] == "table")
    assert (table["rows"], table["of"], table["largest"], told["tensors"]["equal"]) == (1, 2, 3.0, 1)
    assert f"run {first.id} and run {second.id} differ in " in ratoon("diff", str(first.id), str(second.id)).stdout


def test_a_run_that_died_is_set_beside_the_one_that_made_it_good(home: Path) -> None:
    """What it had pinned is kept of it, so that the two are seen to have worked on one window from one parent."""
    second = two(home)[1]
    House(config.load()).registry("default").pin(Window(7, 9, datetime(2020, 1, 1, tzinfo=UTC)))
    died = ran(home, 9, says("import os; os.kill(os.getpid(), 9)"))
    assert (died.status, died.window, died.parent) == ("killed", (7, 9), second.release)
    again = ran(home, 9)
    told = said("diff", str(died.id), str(again.id))
    same = {fact["name"] for fact in told["facts"] if not fact["differs"]}
    assert {"window", "parent", "code"} <= same
    assert (told["same_work"], told["tensors"]) == (False, None)


def test_a_refresh_by_hand_is_found_by_its_release(home: Path) -> None:
    """With the ledger gone, what the refresh itself kept is named and compared; with that gone, too, the release alone."""
    first, second = two(home)
    (home / "jobs.sqlite").unlink()
    told = said("diff", first.release[:8], second.release[:8])
    assert (told["a"], told["b"]) == ("refresh 1 of default", "refresh 2 of default")
    shutil.rmtree(home / "releases" / "default" / "runs")
    told = said("diff", first.release[:8], first.release)
    assert (told["a"], told["same_release"]) == (f"release {first.release[:12]}", True)


@pytest.mark.parametrize("name", ["7", "nobody", "abcdef", "../x", "9" * 30])
def test_a_run_that_is_not_there_is_named(home: Path, name: str) -> None:
    """An id that nothing fits is refused by name, and so is a home that is none."""
    refused = ratoon("diff", "1", name)
    assert "expected the id of a run that is kept, or the beginning of the id of a release that one made" in str(
        refused.exception
    )
    assert repr(name) in str(refused.exception)
    assert "--in: expected a home, found" in str(ratoon("diff", "1", "1", "--in", home / "none").exception)
