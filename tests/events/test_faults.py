"""A disk that fails under the log: system calls are refused, or the process is killed at one of them."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.events import SqliteEventLog
from tests.fakes.events import START, batch, event

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the faults")

APPEND = """
import sys
from contextlib import closing
from pathlib import Path
from ratoon.domain.errors import StoreError
from ratoon.events import Limits, SqliteEventLog
from tests.fakes.events import START, batch, event

failed, log = 0, SqliteEventLog(Path(sys.argv[1]), "wall", lambda: START, limits=Limits(settle_every=20))
with closing(log):
    for number in range(0, 120, 3):
        for _ in range(10):
            try:
                log.append(batch(*(event(f"e{each}") for each in range(number, number + 3))))
                break
            except StoreError:
                failed += 1
        print(number, flush=True)
print("failed", failed, flush=True)
"""


def appended(path: Path, fault: str) -> tuple[int, list[str]]:
    """Append batches of three in a process whose system calls fail so, each again until it is acknowledged; what it printed."""
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={fault}", "-P", str(path), "-P", f"{path}-wal"]
    command += ["-P", f"{path}-end", sys.executable, "-c", APPEND, str(path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(place for place in sys.path if place)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=120)
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize("fault", ["fdatasync:error=EIO:when=6+5", "pwrite64:error=ENOSPC:when=180+37"])
def test_what_fails_is_tried_again_and_counts_once(tmp_path: Path, fault: str) -> None:
    """Every so many syncs, or writes, fail: that is an error each time, and in the end each event is there once, and sound."""
    code, told = appended(tmp_path / "log", fault)
    assert (code, told[:40], told[40]) == (0, [str(number) for number in range(0, 120, 3)], "failed")
    assert int(told[41]) > 0
    with closing(SqliteEventLog(tmp_path / "log", "wall", lambda: START)) as log:
        assert log.read(0).column("event_id").to_pylist() == [f"e{number}" for number in range(120)]
        assert log.check() == "ok, 120 events"


@pytest.mark.parametrize(
    "fault",
    ["pwrite64:signal=SIGKILL:when=150"]
    + [pytest.param(f"fdatasync:signal=SIGKILL:when={nth}", marks=pytest.mark.chaos) for nth in (12, 25, 31)]
    + [pytest.param(f"pwrite64:signal=SIGKILL:when={nth}", marks=pytest.mark.chaos) for nth in range(160, 190, 7)],
)
def test_killed_at_a_system_call_nothing_that_was_acknowledged_is_lost(tmp_path: Path, fault: str) -> None:
    """Killed at a sync, or in the middle of what it writes, the log has whole batches, all acknowledged ones, and goes on."""
    code, told = appended(tmp_path / "log", fault)
    assert code != 0
    assert 2 < len(told) < 40
    with closing(SqliteEventLog(tmp_path / "log", "wall", lambda: START)) as log:
        kept = log.end()
        assert kept in (3 * len(told), 3 * len(told) + 3)
        assert log.append(batch(*(event(f"e{number}") for number in range(120)))).num_rows == 120 - kept
        assert log.read(0).column("event_id").to_pylist() == [f"e{number}" for number in range(120)]
        assert log.check() == "ok, 120 events"


def test_a_clock_that_goes_back_moves_no_arrival_back(tmp_path: Path) -> None:
    """An hour back, events still arrive after those before, a microsecond each, until the clock has caught up."""
    present = [START]
    with closing(SqliteEventLog(tmp_path / "log", "wall", lambda: present[0])) as log:
        log.append(batch(event("a", event_timestamp=START - timedelta(days=1))))
        present[0] -= timedelta(hours=1)
        log.append(batch(event("b", event_timestamp=START - timedelta(days=1)), event("c", event_timestamp=present[0])))
        present[0] += timedelta(hours=2)
        log.append(batch(event("d")))
        step = timedelta(microseconds=1)
        arrived = [START, START + step, START + 2 * step, START + timedelta(hours=1)]
        assert log.read(0).column("created_timestamp").to_pylist() == arrived
