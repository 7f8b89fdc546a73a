"""Where the configuration file and the home are: what has to be known before anything else is read. Standard library only."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

HOME, CONFIG = "RATOON_HOME", "RATOON_CONFIG"
"""Environment variables: where state lives, and which configuration file to read."""


def config_file(environment: Mapping[str, str], named: Path | None = None) -> Path:
    """The configuration file, absolute: `named`, what RATOON_CONFIG names, or ./ratoon.toml; it need not exist."""
    return (named or Path(environment.get(CONFIG, "ratoon.toml"))).absolute()


def home(environment: Mapping[str, str], file: Path, stated: Path) -> Path:
    """The home, absolute: RATOON_HOME, or what the configuration file states, relative to it."""
    return Path(environment.get(HOME) or file.parent / stated).absolute()


def stated_home(file: Path) -> Path:
    """The home that a configuration file states, `var` if it states none; ValueError if it is not TOML, OSError if not there."""
    paths = tomllib.loads(file.read_text(encoding="utf-8")).get("paths", {})
    return Path(paths.get("home", "var"))
