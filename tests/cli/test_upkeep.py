"""`ratoon upkeep`, called as a script and as a person calls it."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.wiring import House


@pytest.fixture
def folder(bootstrapped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A world with one release."""
    shutil.copytree(bootstrapped, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    for name in (config.HOME, config.CONFIG):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "world"


def ratoon(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["upkeep", *arguments])


def test_a_rehearsal_is_told_of_and_then_done(folder: Path) -> None:
    """--dry-run says in numbers what would be saved and publishes nothing; without it the same candidate is published."""
    options = ("quantise", "--tables", "int8", "--layers", "float32")
    said = json.loads(ratoon(*options, "--dry-run", "--json").stdout)
    assert (said["outcome"], said["sequence"]) == ("rehearsed", 1)
    assert said["upkeep"]["operation"] == "quantise"
    assert said["upkeep"]["after"]["disk"] < said["upkeep"]["before"]["disk"]
    done = ratoon(*options)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("default: published quantise: ")
    assert any(line.startswith("recall@50 past: ") and "95 % interval" in line for line in lines)
    assert any(line.startswith("disk: ") for line in lines)
    assert len(House(config.load(folder / "ratoon.toml", environment={})).registry("default").releases()) == 2


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("prune", "--loss", "1"), "--loss"),
        (("quantise", "--release", "f00d"), "release"),
        (("vectors", "--codec", "pq"), "--codec"),
        (("transfer", "--from", "nowhere"), "--from"),
        (("distil", "--teachers", "0"), "--teachers"),
        (("augment", "--newcomers", "1"), "--newcomers"),
        (("fuse", "--members", "9"), "fuse.members"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_options_are_refused_by_name(arguments: tuple[str, ...], field: str) -> None:
    """What makes no sense is a usage error that names the option."""
    done = ratoon(*arguments)
    assert isinstance(done.exception, UsageError)
    assert field in done.exception.field
