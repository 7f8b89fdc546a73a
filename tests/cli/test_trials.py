"""`ratoon trial`, called as a person does."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.registry import FileRegistry
from tests.fakes.serving_world import published, release_files
from tests.serving.trials.worlds import HALF, begin


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileRegistry:
    """The registry of a home in which release 1 is published."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.CONFIG, raising=False)
    monkeypatch.setenv(config.HOME, str(tmp_path / "var"))
    made = FileRegistry(tmp_path / "var" / "releases", "default")
    published(made, 1)
    return made


def trial(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["trial", *arguments])


def test_what_is_tried_is_shown(registry: FileRegistry) -> None:
    """Nothing, then what and how to end it, then that it is over; earlier ones are listed with how they ended."""
    assert trial("status").stdout == "nothing is on trial\n"
    begun = begin(registry, release_files(2), HALF)
    assert " ".join(trial("status").stdout.split()) == begun.told()
    assert begun.told() in json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)["surfaces"][0]["on_trial"]
    published(registry, 3)
    over = json.loads(trial("status", "--json").stdout)
    assert (over["trial"]["release"], over["running"], over["ended"]) == (begun.release, False, [])
    assert trial("status").stdout == f"the trial of {begun.release[:12]} is over: another release is current\n"
    registry.trials.settled()
    assert "another release was published" in " ".join(trial("status").stdout.split())


def test_it_is_promoted(registry: FileRegistry) -> None:
    """`promote` publishes it and says which number it has."""
    begun = begin(registry, release_files(2), HALF)
    assert trial("promote").stdout == f"release 2 ({begun.release[:12]}) is served\n"
    assert registry.get(None).id == begun.release
    (ended,) = json.loads(trial("status", "--json").stdout)["ended"]
    assert (ended["how"], ended["mode"]) == ("promoted", "canary")
    assert datetime.fromisoformat(ended["at"]) <= datetime.now(UTC)


def test_it_is_ended(registry: FileRegistry) -> None:
    """`end` forgets it and keeps why."""
    begun = begin(registry, release_files(2), HALF)
    assert trial("end", "--reason", "no need").stdout == f"release {begun.release[:12]} is no longer tried\n"
    assert [one.reason for one in registry.trials.ended()] == ["no need"]
    for command in ("promote", "end"):
        wrong = trial(command).exception
        assert isinstance(wrong, UsageError)
        assert "found none. `ratoon refresh --trial shadow` begins one" in str(wrong)
