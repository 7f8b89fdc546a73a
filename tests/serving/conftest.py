"""One application over a small world, called in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.serving import create_app
from tests.fakes.serving_world import Ask, World, asking


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Release 1 published, one known user, releases looked for every hundredth of a second."""
    made = World.at(tmp_path)
    made.registry.release(1)
    made.online.known.add("known")
    yield made
    made.log.close()


@pytest.fixture
def ask(world: World) -> Iterator[Ask]:
    with asking(create_app(world.rooms)) as call:
        yield call
