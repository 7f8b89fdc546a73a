"""A refresh that tries its release instead of publishing it, over real rooms and through the command line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.domain.trial import Guards, Terms
from ratoon.refresh import refresh
from ratoon.wiring import House


@pytest.fixture
def folder(bootstrapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bootstrapped world with events that no release has learnt, and guards of its own."""
    shutil.copytree(bootstrapped, tmp_path / "world")
    file = tmp_path / "world" / "ratoon.toml"
    file.write_text(file.read_text() + "\n[trial]\nleast = 50\n")
    monkeypatch.chdir(tmp_path / "world")
    for name in (config.HOME, config.CONFIG):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "world"


def ratoon(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, (done.stdout, done.exception)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_release_is_tried_then_promoted(folder: Path) -> None:
    """The gate lets it pass, nothing is published, refreshing waits; promoted it is what a refresh would have published."""
    twin = folder.parent / "twin"
    shutil.copytree(folder, twin)
    before = ratoon("status")
    tried = ratoon("refresh", "--trial", "canary:5")
    assert (tried["outcome"], tried["sequence"]) == ("tried", 1)
    assert not (folder / "var" / "releases" / "default" / "pinned.json").exists()  # the next one looks at the present
    assert ratoon("status")["surfaces"][0]["release"] == before["surfaces"][0]["release"]
    house = House(config.load(folder / "ratoon.toml", environment={}))
    trial = house.registry("default").trials.running()
    assert trial is not None
    assert (trial.parent, trial.terms) == (tried["release"], Terms("canary", 5, Guards(least=50)))
    held = ratoon("refresh")
    assert (held["outcome"], held["release"]) == ("held", tried["release"])
    assert str(held["plan"]["reason"]).startswith(f"release {trial.release[:12]} is on trial since")
    promoted = ratoon("trial", "promote")
    assert promoted == {"release": trial.release, "sequence": 2}
    assert ratoon("trial", "status")["trial"] is None
    plain = House(config.load(twin / "ratoon.toml", environment={}))
    straight = refresh(plain.workshop("default"), plain.stopwatch())
    assert (straight.outcome, straight.release) == ("published", trial.release)
    plain.log.close()
    assert ratoon("refresh")["outcome"] == "skipped"
    house.log.close()


@pytest.mark.usefixtures("folder")
def test_a_trial_that_is_ended_leaves_no_trace() -> None:
    """Whatever it has learnt is learnt again by the next refresh, which makes the same release of the same events."""
    tried = ratoon("refresh", "--trial", "shadow")
    trial = ratoon("trial", "status")["trial"]
    assert ratoon("trial", "end", "--reason", "changed my mind") == {"release": trial["release"]}
    (ended,) = ratoon("trial", "status")["ended"]
    assert (ended["how"], ended["reason"]) == ("ended", "changed my mind")
    again = ratoon("refresh")
    assert (again["outcome"], again["release"], again["sequence"]) == ("published", trial["release"], 2)
    assert tried["release"] != again["release"]


def test_the_first_release_cannot_be_tried(folder: Path) -> None:
    """There is nothing to compare it with; nor are terms accepted that compare with nobody."""
    shutil.rmtree(folder / "var" / "releases")
    house = House(config.load(folder / "ratoon.toml", environment={}))
    with pytest.raises(UsageError, match="--trial: expected a release to compare with, found none"):
        refresh(house.workshop("default"), house.stopwatch(), terms=Terms("shadow"))
    house.log.close()
    wrong = CliRunner().invoke(app, ["refresh", "--trial", "canary:100"])
    assert isinstance(wrong.exception, UsageError)
