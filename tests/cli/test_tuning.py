"""`ratoon upkeep tune` on a home."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.wiring import House


@pytest.fixture
def home(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(config.CONFIG, str(house.home.parent / "ratoon.toml"))
    monkeypatch.delenv(config.HOME, raising=False)
    return house.home


def tune(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["upkeep", "tune", *arguments])


def test_a_search_changes_nothing_but_its_study(house: House, home: Path) -> None:
    """However far its budget takes it: its study is under the home, and what is served and what is set are as they were."""
    toml, served = (home.parent / "ratoon.toml").read_text(), house.registry("default").current()
    done = tune("--seconds", "0.01", "--slices", "2", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["surface"], said["end"], said["k"], said["outcome"]) == ("default", 3_500, 50, "unfinished")
    assert Path(said["file"]).parent == home / "tuning"
    assert said["seconds"] > 0
    assert Path(said["page"]).read_text().startswith("<!DOCTYPE html>")
    assert "the same command goes on from there" in tune("--seconds", "0.01", "--slices", "2").stdout
    assert (home.parent / "ratoon.toml").read_text() == toml
    assert house.registry("default").current() == served


@pytest.mark.parametrize("seconds", ["0", "-5", "nan", "inf"])
def test_a_budget_of_nothing_is_refused(home: Path, seconds: str) -> None:
    """So is one without an end; nothing has been begun."""
    wrong = tune("--seconds", seconds).exception
    assert isinstance(wrong, UsageError)
    assert str(wrong).startswith("--seconds: expected more than 0, found")
    assert not (home / "tuning").exists()
