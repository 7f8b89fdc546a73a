"""What `ratoon index explain` says of a real release."""

import json

import pytest
from typer.testing import CliRunner, Result

from ratoon import config, wiring
from ratoon.cli.app import app
from ratoon.index import Choice, devices
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


def test_what_servers_map(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where servers map it from a file, it is said from where; otherwise nothing is said of that."""
    file = house.home.parent / "ratoon.toml"
    monkeypatch.setenv(config.CONFIG, str(file))
    monkeypatch.delenv(config.HOME, raising=False)
    assert "index.mapped" not in explain().stdout
    file.write_text(file.read_text() + "\n[index]\nmapped = true\n")
    said = json.loads(explain("--json").stdout)["why"][-1]
    assert said.startswith(f"servers map it from one file in {house.home / 'cache' / 'index'};")


def test_without_a_release(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first release there is nothing to explain, and that is said."""
    file = house.home.parent / "ratoon.toml"
    file.write_text(file.read_text() + "\n[surfaces.other]\n")
    monkeypatch.setenv(config.CONFIG, str(file))
    monkeypatch.delenv(config.HOME, raising=False)
    assert "other: no release yet, so no index" in explain("--surface", "other").stdout


def test_what_a_server_with_a_gpu_makes_of_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where servers search on a GPU that is said beside the release's layout; where one cannot start, why; otherwise nothing."""
    file = house.home.parent / "ratoon.toml"
    monkeypatch.setenv(config.CONFIG, str(file))
    monkeypatch.delenv(config.HOME, raising=False)

    def said() -> str:
        return str(json.loads(explain("--json").stdout)["why"][-1])

    monkeypatch.setattr(wiring, "chosen", lambda _wanted: Choice("cuda", "1 CUDA device"))
    assert said() == "a server here keeps them in one tensor on CUDA and looks at each, so its answers are exact: 1 CUDA device"
    monkeypatch.setattr(wiring, "chosen", lambda _wanted: devices.chosen("cuda", lambda: 0))
    assert said().startswith("no server can start here: index.device: expected a CUDA device")
    monkeypatch.setattr(wiring, "chosen", lambda _wanted: Choice("cpu", "none"))
    assert said().startswith("so it reads about")
