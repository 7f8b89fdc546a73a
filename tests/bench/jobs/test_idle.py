"""The rows of an idle refresh."""

from pathlib import Path

import pytest

from ratoon import idle as remembered
from ratoon.bench.jobs import idle
from ratoon.bench.soaking.home import Home
from ratoon.domain.errors import StoreError


def test_a_refresh_that_finds_something_is_not_idle(tmp_path: Path) -> None:
    """What is said instead of a time names what the refresh did; here its home is none."""
    home = Home(tmp_path)
    (home.folder / "ratoon.toml").write_text("[paths]\nhome = 3\n")
    with pytest.raises(
        StoreError,
        match=r"an idle refresh: expected nothing new, found .*paths.*lists every setting\. Let the replay before it settle",
    ):
        idle._refreshed(home)
    assert remembered.SETTLED_NS < 1e9 * idle.SETTLED
