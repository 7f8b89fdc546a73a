"""`ratoon gc`, `backup`, `restore` and `forget`, called as a person does."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.wiring import House


@pytest.fixture(autouse=True)
def here(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The house, in which commands run."""
    monkeypatch.setenv(config.CONFIG, str(house.home.parent / "ratoon.toml"))
    monkeypatch.delenv(config.HOME, raising=False)


def ratoon(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words: str | Path) -> Any:
    done = ratoon(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_there_and_back(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup is made, is whole, is refused where there is a home, and is put back where there is none."""
    made = told("backup", tmp_path / "b")
    assert (made["number"], made["position"]) == (1, house.log.end())
    assert told("backup", "verify", tmp_path / "b")["bytes"] == made["bytes"]
    assert isinstance(ratoon("restore", tmp_path / "b").exception, UsageError)
    monkeypatch.setenv(config.HOME, str(tmp_path / "new"))
    assert told("restore", tmp_path / "b")["home"] == str(tmp_path / "new")
    assert told("status")["events"] == made["position"]
    for words in (("backup", "verify"), ("backup", tmp_path / "b", tmp_path / "c")):
        assert isinstance(ratoon(*words).exception, UsageError)


def test_what_is_cleared_is_said() -> None:
    """One release is served and all there is, so nothing goes; in words and as JSON."""
    assert told("gc", "--releases", "1", "--dry-run") == {"dry_run": True, "cleared": [], "skipped": []}
    assert ratoon("gc").stdout == "0 things are gone, 0 bytes\n"


def test_what_is_forgotten_and_what_is_left(house: House) -> None:
    """A dry run counts and deletes nothing; then the same is gone, and what is left is listed with its end."""
    would = told("forget", "u1", "--dry-run")
    assert house.log.history("user", ["u1"]).num_rows == would["done"]["events"] > 0
    text = ratoon("forget", "u1").stdout
    assert house.log.history("user", ["u1"]).num_rows == 0
    assert f"events {would['done']['events']} " in " ".join(text.split())
    assert "what is left:\n" in text
    assert "  backups made before: until 14 newer ones are made in the same folder\n" in text
