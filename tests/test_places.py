"""Where the configuration file and the home are."""

from pathlib import Path

import pytest

from ratoon.config import load
from ratoon.places import config_file, home, stated_home


@pytest.mark.parametrize("text", ["", '[paths]\nhome = "state"\n', '[paths]\nhome = "/absolute"\n'])
@pytest.mark.parametrize("environment", [{}, {"RATOON_HOME": "/elsewhere"}])
def test_it_is_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, environment: dict[str, str]
) -> None:
    """The home that is found without reading the settings whole is the one that they give."""
    (tmp_path / "ratoon.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    file = config_file(environment)
    assert home(environment, file, stated_home(file)) == load(environment=environment).paths.home


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    """RATOON_CONFIG does, unless the caller names one himself."""
    assert config_file({"RATOON_CONFIG": "/a/b.toml"}) == Path("/a/b.toml")
    assert config_file({"RATOON_CONFIG": "/a/b.toml"}, tmp_path / "c.toml") == tmp_path / "c.toml"
