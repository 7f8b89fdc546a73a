"""`ratoon report`, called as a script calls it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from ratoon.cli.app import app
from ratoon.domain.errors import StoreError, UsageError
from ratoon.registry.runs import Runs
from tests.fakes.runs import T0, report


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the runs of three refreshes."""
    (tmp_path / "ratoon.toml").write_text("")
    runs = Runs(tmp_path / "var" / "releases" / "default" / "runs", lambda: T0)
    for number in (1, 2, 3):
        runs.keep(report(number), f"{number - 1:064x}", {"index.faiss": 10 * number})
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RATOON_HOME", raising=False)
    return tmp_path


def ratoon(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


def test_the_newest_run_is_drawn(home: Path) -> None:
    """Without a number the newest run's page is written under reports/, and its path is all that is said."""
    done = ratoon()
    page = home / "var" / "reports" / "default-000003.html"
    assert (done.exit_code, done.stdout) == (0, f"{page}\n")
    assert ElementTree.parse(page).findtext("head/title") == "Run 3 of default: published"


def test_one_run_as_a_page_and_as_figures(home: Path) -> None:
    """A number chooses the run, --out the place, and --json gives every figure beside the page's path."""
    done = ratoon("2", "--out", "seen.html", "--json")
    said = json.loads(done.stdout)
    assert (said["page"], said["number"], said["files"]) == (str(home / "seen.html"), 2, {"index.faiss": 20})
    assert said["report"]["verdict"]["slices"]["new"]["candidate"] == 0.3302
    assert said["report"]["losses"]["train"] == [3.5123, 3.1234]
    assert ElementTree.parse(home / "seen.html").findtext("head/title") == "Run 2 of default: published"


@pytest.mark.usefixtures("home")
def test_runs_are_listed() -> None:
    """--list has every run, newest first, for people and for scripts."""
    listed = json.loads(ratoon("--list", "--json").stdout)
    assert [(one["run"], one["outcome"], one["sequence"]) for one in listed] == [
        (3, "published", 3),
        (2, "published", 2),
        (1, "published", 1),
    ]
    assert "480 interactions, 3 writable items in window 2" in ratoon("--list").stdout


def test_nothing_to_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first refresh the list is empty and says what fills it."""
    (tmp_path / "ratoon.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RATOON_HOME", raising=False)
    assert ratoon("--list").stdout == "default: no runs yet; `ratoon refresh` leaves one\n"
    assert json.loads(ratoon("--list", "--json").stdout) == []


def test_what_cannot_be(home: Path) -> None:
    """An unknown run, an unknown surface, a list of one run and a damaged file are errors that say which; no page is left."""
    for arguments, said in (
        (("99",), "run: expected 3, 2, 1, found '99'."),
        (("--surface", "basement"), "surface: expected one of default, found 'basement'"),
        (("3", "--list"), "--list: expected no run and no --out, found one of them"),
    ):
        wrong = ratoon(*arguments).exception
        assert isinstance(wrong, UsageError)
        assert str(wrong).startswith(said)
    (damaged,) = (home / "var" / "releases" / "default" / "runs").glob("000002-*.json")
    damaged.write_text("{")
    broken = ratoon("2").exception
    assert isinstance(broken, StoreError)
    assert str(broken).startswith(f"{damaged}: expected the JSON that was written there")
    assert not (home / "var" / "reports").exists()
