"""What `ratoon index explain` says of a real release."""

import json

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.wiring import House


def explain(*arguments: str) -> Result:
    """Run the command."""
    done = CliRunner().invoke(app, ["index", "explain", *arguments])
    assert done.exit_code == 0, done.output
    return done


def test_how_a_release_is_laid_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how many items are looked at and why, as sentences and as JSON, for what is there and for what might be."""
    monkeypatch.setenv(config.CONFIG, str(house.home.parent / "ratoon.toml"))
    monkeypatch.delenv(config.HOME, raising=False)
    release = house.registry("default").get(None)
    count = len(house.indexes.load(house.registry("default").load(release)))
    said = json.loads(explain("--json").stdout)
    assert (said["items"], said["lists"], said["codec"], said["dim"]) == (count, 1, "flat", release.dim)
    assert f"{count} items, of which each is looked at" in " ".join(explain().stdout.split())
    many = json.loads(explain("--items", "1000000", "--json").stdout)
    assert (many["lists"], many["codec"]) == (2_000, "fp16")
    assert many["why"][0] == "1,000,000 items in 2,000 lists around centroids, 500 in each on average"
    assert many["why"][-1].startswith("so it reads about 4,000 vectors")


def test_without_a_release(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first release there is nothing to explain, and that is said."""
    file = house.home.parent / "ratoon.toml"
    file.write_text(file.read_text() + "\n[surfaces.other]\n")
    monkeypatch.setenv(config.CONFIG, str(file))
    monkeypatch.delenv(config.HOME, raising=False)
    assert "other: no release yet, so no index" in explain("--surface", "other").stdout
