"""The audit file."""

import json
import os
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.serving.keys import Act, Audit
from ratoon.serving.keys.secret import new_key

NOW = datetime(2026, 5, 6, 7, 8, 9, tzinfo=UTC)


def test_a_line_says_who_did_what(tmp_path: Path) -> None:
    """Each act is one line of JSON, in order, in a file that only its owner reads."""
    audit = Audit(tmp_path / "home")
    audit.record(Act(NOW, "0123456789ab", "ops", "POST /v1/refresh", 202, "r-1", {"surface": "home"}))
    audit.record(Act(NOW, "", "cli", "keys revoke"))
    first, second = map(json.loads, audit.path.read_text().splitlines())
    assert first == {
        "time": "2026-05-06T07:08:09+00:00",
        "key": "0123456789ab",
        "name": "ops",
        "action": "POST /v1/refresh",
        "status": 202,
        "request_id": "r-1",
        "on": {"surface": "home"},
    }
    assert (second["name"], second["status"], second["request_id"], second["on"]) == ("cli", None, "", {})
    assert stat.S_IMODE(audit.path.stat().st_mode) == 0o600


def test_what_a_caller_chooses_cannot_break_a_line_or_fill_the_disk(tmp_path: Path) -> None:
    """Line ends are escaped, long values cut, and a key that somebody sent as something else loses its secret."""
    audit, key = Audit(tmp_path), new_key("0123456789ab")
    audit.record(Act(NOW, "", "a\nb", f"POST {key}", 200, key, {"id": "x" * 10_000 + "\n", "other": key}))
    (line,) = audit.path.read_text().splitlines()
    assert len(line) < 1_000
    assert key[17:] not in line
    assert json.loads(line)["request_id"] == "rtn_0123456789ab_***"


def test_lines_of_many_writers_do_not_mix(tmp_path: Path) -> None:
    """What eight threads append at once is all there, line by line."""
    audit = Audit(tmp_path)

    def write(name: str) -> None:
        for place in range(20):
            audit.record(Act(NOW, "", name, "x" * 150, place))

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in audit.path.read_text().splitlines()]
    assert sorted((line["name"], line["status"]) for line in lines) == [(str(n), place) for n in range(8) for place in range(20)]


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """Where the audit file is a link nothing is written behind it, and the error says so."""
    (tmp_path / "victim").write_text("as it was")
    (tmp_path / "audit.jsonl").symlink_to("victim")
    with pytest.raises(
        StoreError, match="audit.jsonl: expected a file to append to, found Too many levels of symbolic links. What"
    ):
        Audit(tmp_path).record(Act(NOW, "", "cli", "keys create"))
    assert (tmp_path / "victim").read_text() == "as it was"


def test_half_a_line_is_an_error(tmp_path: Path) -> None:
    """A line that found no room as a whole is told, with how much of it did."""
    script = (
        "import resource, signal, sys, pathlib, datetime\n"
        "from ratoon.serving.keys.audit import Act, Audit\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        "Audit(pathlib.Path(sys.argv[1])).record(Act(datetime.datetime.now(datetime.UTC), '', 'cli', 'keys create'))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "StoreError" in run.stderr
    assert "expected a file to append to, found room for 50 of " in run.stderr
