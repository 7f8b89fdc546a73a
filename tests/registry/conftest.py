"""What every test of the registry starts from."""

from pathlib import Path

import pytest

from ratoon.registry import FileRegistry


@pytest.fixture
def registry(tmp_path: Path) -> FileRegistry:
    """An empty registry of the surface `home`."""
    return FileRegistry(tmp_path / "releases", "home")
