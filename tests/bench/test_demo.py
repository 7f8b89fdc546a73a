"""`ratoon demo` where it cannot begin."""

import socket
from pathlib import Path

import pytest

from ratoon import config
from ratoon.bench.demo import demo
from ratoon.domain.errors import DataError, UsageError


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the demo before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.CONFIG, raising=False)
    monkeypatch.setenv(config.HOME, str(tmp_path / "var"))
    kept = tmp_path / "var" / "demo" / "events.sqlite"
    kept.parent.mkdir(parents=True)
    kept.touch()
    return kept


def test_a_wrong_folder_deletes_nothing(before: Path) -> None:
    """Without a world to begin with, the home of the demo before is left alone: it may be served."""
    with pytest.raises(DataError, match="found no folder"):
        demo(once=True, folder=Path("nowhere"), port=0)
    assert before.exists()


def test_a_taken_port_deletes_nothing(before: Path) -> None:
    """Whatever listens on the port is not taken for the demo's own server, and nothing has been done yet."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"^--port: expected a port that is free, found {port}: .*PORT= of make\.$"):
            demo(once=True, folder=None, port=port)
    assert before.exists()
