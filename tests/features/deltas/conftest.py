"""What every test of deltas has."""

from pathlib import Path

import pytest


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where deltas remember things."""
    return tmp_path / "state"
