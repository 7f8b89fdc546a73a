"""What every test of trials starts from."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.trials.worlds import Tried


@pytest.fixture
def tried(tmp_path: Path) -> Iterator[Tried]:
    """A surface with release 1 published, and 60 known users."""
    made = Tried(tmp_path)
    yield made
    made.world.log.close()
