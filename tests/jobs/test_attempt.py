"""A run is a process of its own: measured, bounded in time, and written down however it ends."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ratoon.domain.errors import Conflict
from ratoon.jobs.book import Book
from ratoon.jobs.child import Child
from ratoon.jobs.due import Decision
from ratoon.jobs.run import Run
from ratoon.jobs.slots import Slot
from tests.fakes.work import T0, alive, book, job, publisher, says, until

DUE = Decision(Slot("noon", T0, T0), "schedule", "due")
LONG = "import time; time.sleep(600)"


def done(folder: Path, text: str, **settings: Any) -> Run:
    return book(folder, {"learn": job(**settings)}, says(text)).to_completion("learn", DUE, time.sleep)


@pytest.mark.parametrize(
    ("text", "status", "code", "reason"),
    [
        ("import sys; sys.exit('no disk')", "failed", 1, "no disk"),
        ("import sys; sys.exit(2)", "wrong", 2, "exit code 2"),
        ("import sys; sys.exit(3)", "refused", 3, "exit code 3"),
        ("import sys; sys.exit(4)", "blocked", 4, "exit code 4"),
        ("import os; os.kill(os.getpid(), 9)", "killed", -9, "ended by signal 9."),
        ("print('hello')", "failed", 0, "what it printed is not what `refresh` says: JSONDecodeError"),
        (LONG, "timeout", -15, "took longer than 0.2 s"),
    ],
)
def test_every_end_is_written_down(tmp_path: Path, text: str, status: str, code: int, reason: str) -> None:
    """Exit codes, signals, nonsense and a process that takes too long each become a status with the reason."""
    run = done(tmp_path, text, timeout="0.2 s" if text == LONG else "1 min")
    assert (run.status, run.code) == (status, code)
    assert reason in run.reason
    assert book(tmp_path, {}, []).ledger.get(run.id) == run


def test_what_it_did_and_cost_is_kept(tmp_path: Path) -> None:
    """A run that publishes is kept with its window, release, rows, time, processor time and memory."""
    (tmp_path / "events").write_text("7")
    run = book(tmp_path, {"learn": job()}, publisher(tmp_path)).to_completion("learn", DUE, time.sleep)
    assert (run.status, run.verdict, run.window, run.rows) == ("ok", "published", (0, 7), 7), run.stderr
    assert [one.name for one in (tmp_path / "releases" / "default").glob("0*")] == [f"000001-{run.release[:12]}"]
    assert run.seconds > 0
    assert run.cpu_seconds > 0.01
    assert run.max_rss > 10_000_000


def test_a_failed_slot_has_a_next_attempt(tmp_path: Path) -> None:
    """Attempts at one slot are counted, and a slot that somebody has is not run again beside him."""
    assert [done(tmp_path, "import sys; sys.exit(5)").attempt for _ in range(2)] == [1, 2]
    of: Book = book(tmp_path, {"learn": job()}, says(LONG))
    attempt = of.begun("learn", DUE)
    with pytest.raises(Conflict, match="nobody at work on releases of default"):
        of.begun("learn", DUE)
    attempt.stop()
    until(lambda: (ended := attempt.step()) and ended.status == "stopped")


def test_what_does_not_heed_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is asked to end and goes on is ended when its grace is over."""
    monkeypatch.setattr("ratoon.jobs.attempt.GRACE", 0.0)
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(tmp_path / 'deaf')!r}, 'w'); {LONG}"
    attempt = book(tmp_path, {"learn": job()}, says(deaf)).begun("learn", DUE)
    until((tmp_path / "deaf").exists)
    attempt.stop()
    until(lambda: (ended := attempt.step()) and (ended.status, ended.code) == ("stopped", -9))


def test_it_ends_with_who_started_it(tmp_path: Path) -> None:
    """A process does not outlive a parent that was killed, even without a word."""
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    program = (
        f"import time; from ratoon.jobs.child import Child; Child([], [{sys.executable!r}, '-c', {child!r}]); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    pid = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    until(lambda: not alive(pid))


def test_what_it_left_behind_ends_with_it() -> None:
    """Processes that a run started and did not wait for are ended, and what it wrote is read whole."""
    left = "import subprocess, sys; print(subprocess.Popen(['sleep', '600'], stdout=2).pid); sys.stderr.write('x' * 9000)"
    child = Child([], says(left))
    while (how := child.poll()) is None:
        time.sleep(0.01)
    assert (how.code, len(how.complained)) == (0, 4_000)
    until(lambda: not alive(int(how.said)))
