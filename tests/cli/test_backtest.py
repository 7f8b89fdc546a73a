"""`ratoon backtest` on the events of a home."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.wiring import House
from tests.pictures.pages import text


@pytest.fixture
def home(house: House, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with 3,500 events, and beside it two policies: one looks twice a day and mostly waits, one never looks."""
    folder = house.home.parent
    monkeypatch.setenv(config.CONFIG, str(folder / "ratoon.toml"))
    monkeypatch.delenv(config.HOME, raising=False)
    (folder / "waits.toml").write_text('every = "8 h"\n[plan]\nleast = 20\npatience = "20 d"\n')
    (folder / "never.toml").write_text('every = "20 d"\n')
    return folder


def backtest(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["backtest", *map(str, arguments)])


def test_policies_are_tried_on_history(house: House, home: Path) -> None:
    """Each event of the day is asked of both; the one that learns pays for it, also for looking; the home is as it was."""
    before = house.registry("default").get(None).id
    picture = home / "picture.html"
    done = backtest("--policies", home / "waits.toml", home / "never.toml", "--days", "1", "--json", "--picture", picture)
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    waits, never = said["policies"]
    assert (waits["policy"], never["policy"]) == ("waits", "never")
    assert sum(waits["scopes"].values()) == 3
    assert waits["scopes"]["skipped"] >= 1
    assert (never["scopes"], never["cpu_seconds"]) == ({}, 0.0)
    assert waits["cpu_seconds"] > 0
    begins = said["begins"]
    asked = [
        row
        for row in house.log.read(0).to_pylist()
        if row["kind"] == "interaction" and row["event_timestamp"].isoformat() >= begins
    ]
    assert 0 < waits["questions"] <= len(asked)
    assert waits["questions"] == never["questions"]
    assert "never" in text(ElementTree.fromstring(picture.read_text()))
    assert house.registry("default").get(None).id == before


def test_what_cannot_be_tried_is_said_before_anything_is_done(home: Path) -> None:
    """A policy or a folder that is not there is refused at once."""
    wrong = backtest("--policies", home / "other.toml").exception
    assert isinstance(wrong, UsageError)
    assert "other.toml: [Errno 2] No such file" in str(wrong)
    wrong = backtest("--policies", home / "never.toml", "--data", home / "nothing").exception
    assert isinstance(wrong, UsageError)
    assert "--data: expected a folder" in str(wrong)
