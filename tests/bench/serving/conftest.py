"""A small world, made once for all tests that only read it."""

from pathlib import Path

import pytest

from ratoon.bench.serving.setting import Setting
from ratoon.bench.serving.world import World, open_world

ITEMS, USERS = 2_000, 250


def silent(_what: str, _share: float) -> None:
    return None


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """For reading; see `own` for one of one's own."""
    return open_world(tmp_path_factory.mktemp("worlds") / "world", ITEMS, silent, USERS)


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    """A copy that may be changed."""
    return world.copy(tmp_path / "home")


@pytest.fixture
def setting(world: World, tmp_path: Path) -> Setting:
    """A thousandth of a second of everything."""
    return Setting(world, tmp_path, silent, seconds=0.001)
