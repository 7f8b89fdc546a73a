"""A small world, bootstrapped once; each test works on a copy of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon import config
from ratoon.data import synth
from ratoon.refresh import refresh
from ratoon.wiring import House

ROOT = Path(__file__).parents[1]

TOML = """
[paths]
home = "var"
feature_repo = "feature_repo"

[clock]
mode = "log"

[training]
dim = 16
epochs = 2

[serving]
poll_seconds = 0.05
"""


@pytest.fixture(scope="session")
def events() -> pa.Table:
    return synth(150, 240, 4_000, seed=3)


@pytest.fixture(scope="session")
def bootstrapped(tmp_path_factory: pytest.TempPathFactory, events: pa.Table) -> Path:
    """A home whose first release has learnt 3,000 events, and whose log holds 500 more."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copytree(ROOT / "feature_repo", folder / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "ratoon.toml").write_text(TOML)
    house = House(config.load(folder / "ratoon.toml", environment={}))
    house.log.append(events.slice(0, 3_000), backfill=True)
    house.features("default").ingest()
    house.features("default").materialize()
    assert refresh(house.workshop("default"), house.stopwatch()).outcome == "published"
    house.log.append(events.slice(3_000, 500))
    house.log.close()
    return folder


@pytest.fixture
def copied(bootstrapped: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Makes copies of the bootstrapped world; gives each one's configuration file."""

    def copy(name: str) -> Path:
        shutil.copytree(bootstrapped, tmp_path / name)
        return tmp_path / name / "ratoon.toml"

    return copy


@pytest.fixture
def house(copied: Callable[[str], Path]) -> House:
    return House(config.load(copied("house"), environment={}))
