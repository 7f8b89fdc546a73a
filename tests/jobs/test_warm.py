"""Runs that are forked: processes like any other, whatever becomes of what they are forked from."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ratoon.jobs import warm as module
from ratoon.jobs.child import Child
from ratoon.jobs.version import version
from ratoon.jobs.warm import Warm
from tests.fakes.work import alive, over, says, until

SAYING = "tests.fakes.saying"
LONG = "import time; time.sleep(600)"
WORKS = "import os, subprocess, sys, time; open(sys.argv[2], 'w').write(str({})); time.sleep(600)"
AT_WORK, LETS_WORK = WORKS.format("os.getpid()"), WORKS.format("subprocess.Popen(['sleep', '600']).pid")


@pytest.fixture(scope="module")
def shared() -> Iterator[Warm]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONUNBUFFERED", raising=False)  # what is printed waits, as it does by default
        with Warm(SAYING, "tests.fakes.imported") as made:
            yield made


def begun(warm: Warm, folder: Path, text: str = AT_WORK) -> tuple[Child, int]:
    """A run that is at work, and the process that does it."""
    child = Child([text, str(folder / "pid")], says(text), warm=warm)
    until(lambda: child.poll() is None and (folder / "pid").exists() and (folder / "pid").read_text())
    return child, int((folder / "pid").read_text())


@pytest.mark.parametrize(
    ("text", "code", "said", "complained"),
    [
        ("print('hello')", 0, b"hello\n", ""),
        ("import sys; sys.exit(3)", 3, b"", ""),
        ("import sys; sys.exit('no disk')", 1, b"", "no disk"),
        ("import os; os.kill(os.getpid(), 9)", -9, b"", ""),
        ("1 / 0", 1, b"", "ZeroDivisionError: division by zero"),
        ("import sys; print(sys.argv[2:], sys.stdin.read() == '')", 0, b"['--json'] True\n", ""),
        ("import os; print(os.getpgid(0) == os.getsid(0) == os.getpid())", 0, b"True\n", ""),
        (f"import os; print(os.nice(0) == min(19, {os.nice(0)} + 7))", 0, b"True\n", ""),
    ],
)
def test_it_is_a_process_of_its_own(shared: Warm, text: str, code: int, said: bytes, complained: str) -> None:
    """Exit codes, signals, output of its own alone, arguments, its session, and how far it stands back."""
    ended = over(Child([text, "--json"], ["/nowhere"], 7, shared))
    assert (ended.code, ended.said) == (code, said)
    assert ended.complained.endswith(complained)
    assert ended.max_rss > 1_000_000


def test_its_processor_time_is_its_own(shared: Warm) -> None:
    """What it and the processes that it waited for used is counted, from the fork on."""
    text = "import subprocess, sys, time; subprocess.run([sys.executable, '-S', '-c', '{0}']); {0}"
    busy = "import time; [None for _ in iter(lambda: time.process_time() < .1, False)]"
    assert 0.2 <= over(Child([text.format(busy)], warm=shared)).cpu_seconds < 5
    assert over(Child(["pass"], warm=shared)).cpu_seconds < 0.1


def test_it_has_files_of_its_own(shared: Warm, tmp_path: Path) -> None:
    """None of its template's, and none of a run's beside it."""
    beside, _ = begun(shared, tmp_path)
    files = "import os; print(sorted(os.listdir('/proc/self/fd')))"  # of which one is the folder
    assert over(Child([files], warm=shared)).said == b"['0', '1', '2', '3']\n"
    beside.kill()
    assert over(beside).said == b""


def test_two_runs_draw_differently(shared: Warm) -> None:
    """What a run draws without a seed of its own, a name or a number, is not what the one before it drew."""
    text = "import numpy, random, tempfile, uuid; print(numpy.random.random(), random.random(), uuid.uuid4(), tempfile.mktemp())"
    one, other = (over(Child([text], warm=shared)).said.split() for _ in range(2))
    assert len({*one, *other}) == 8


def test_it_is_told_to_end(shared: Warm, tmp_path: Path) -> None:
    """By SIGTERM, or by SIGKILL where it does not heed that; processes that it left behind end with it."""
    child, _ = begun(shared, tmp_path)
    child.ask()
    assert over(child).code == -signal.SIGTERM
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {AT_WORK}"
    (tmp_path / "pid").unlink()
    child, _ = begun(shared, tmp_path, deaf)
    child.ask()
    child.kill()
    assert over(child).code == -signal.SIGKILL
    left = over(Child(["import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"], warm=shared))
    until(lambda: not alive(int(left.said)))


def test_a_run_that_has_just_begun_is_told_to_end(shared: Warm, tmp_path: Path) -> None:
    """One that began since it was looked at is ended like any other, and not left at work as if it had not."""
    child = Child([AT_WORK, str(tmp_path / "pid")], warm=shared)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    child.ask()
    ended = over(child)
    assert (ended.code, ended.max_rss > 0) == (-signal.SIGTERM, True)
    assert not alive(int((tmp_path / "pid").read_text()))


def test_the_environment_is_that_of_now(shared: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was set, changed or taken away since the template was begun is so for a run, such as a fault that is asked for."""
    assert shared.pid
    monkeypatch.setenv("RATOON_FAULT", "somewhere:2")
    monkeypatch.delenv("PATH")
    ended = over(Child(["import os; print(os.environ.get('RATOON_FAULT'), 'PATH' in os.environ)"], warm=shared))
    assert ended.said == b"somewhere:2 False\n"
    fault = "from ratoon.durable import fault_point; fault_point('somewhere'); fault_point('somewhere')"
    assert over(Child([fault], warm=shared)).code == -signal.SIGKILL


def test_a_killed_template_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its run ends with it, as killed, with what that had started; the next is forked from another one.

    It is started from nothing if the template lived too briefly.
    """
    with Warm(SAYING, "json", pause=0.0) as warm:
        child, run = begun(warm, tmp_path, LETS_WORK)
        first = warm.pid
        os.kill(first, signal.SIGKILL)
        assert over(child).code == -signal.SIGKILL
        until(lambda: not alive(run))
        until(lambda: not alive(first))
        assert over(Child(["print('again')"], ["/nowhere"], warm=warm)).said == b"again\n"
        assert warm.pid != first
    assert "what runs are forked from has ended: exit code -9; another one" in caplog.text
    with Warm(SAYING, "json") as warm:
        os.kill(warm.pid, signal.SIGKILL)
        until(lambda: not alive(warm.pid))
        assert over(Child([], says("print('from nothing')"), warm=warm)).said == b"from nothing\n"
        assert "none for a while" in caplog.text


def test_a_template_that_cannot_import_stops_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """A run that it was asked for before it failed is started from nothing, and so is the next; the log has what it said."""
    with caplog.at_level(logging.WARNING, "ratoon.jobs"), Warm(SAYING, "there_is_no_such_module") as warm:
        for _ in range(2):
            assert over(Child([], says("print('from nothing')"), warm=warm)).said == b"from nothing\n"
    assert "No module named 'there_is_no_such_module'" in caplog.text


def test_what_cannot_be_forked_is_started_from_nothing(shared: Warm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose arguments are longer than a message, and each while the program's files are replaced or no fork is possible."""
    cold = says("print('from nothing')")
    assert over(Child(["pass", *["long" * 25_300] * 2], cold, warm=shared)).said == b"from nothing\n"
    with monkeypatch.context() as patch:
        patch.setattr(module, "version", partial(version, tmp_path / "gone"))
        assert over(Child(["pass"], cold, warm=shared)).said == b"from nothing\n"
    assert over(Child(["print('forked')"], cold, warm=shared)).said == b"forked\n"
    monkeypatch.setattr("ratoon.jobs.forked.PATIENCE", 600.0)  # nobody waits for it
    with Warm(SAYING, "tests.fakes.unforkable") as warm:
        assert over(Child(["pass"], cold, warm=warm)).said == b"from nothing\n"


def test_a_run_that_was_not_begun_is_told_to_end(tmp_path: Path) -> None:
    """A template that hangs holds up nobody who gives a run up; when it goes on, that run does not happen.

    What it has no room for is started from nothing at once.
    """
    with Warm(SAYING, "json") as warm:
        assert over(Child(["pass"], warm=warm)).code == 0
        os.kill(warm.pid, signal.SIGSTOP)
        child = Child([AT_WORK, str(tmp_path / "pid")], warm=warm)
        assert child.poll() is None
        child.ask()
        assert over(child).code == -signal.SIGTERM
        cold = says("print('from nothing')")
        *waiting, refused = (Child(["pass", "long" * 30_000], cold, warm=warm) for _ in range(3))
        assert over(refused).said == b"from nothing\n"
        for child in waiting:
            child.kill()
            assert over(child).code == -signal.SIGKILL
        os.kill(warm.pid, signal.SIGCONT)
        assert over(Child(["pass"], warm=warm)).code == 0
        assert not (tmp_path / "pid").exists()


def test_a_template_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says nothing of a killed run, or does not begin one, goes; that run has ended, or is started from nothing.

    So does one of which nobody waited for a run long enough, and one that does not end.
    """
    monkeypatch.setattr("ratoon.jobs.forked.UNHEARD", 0.0)
    with Warm(SAYING, "json") as warm:
        child, run = begun(warm, tmp_path)
        os.kill(warm.pid, signal.SIGSTOP)
        child.kill()
        assert over(child).code == -signal.SIGKILL
        until(lambda: not alive(run))
    monkeypatch.setattr("ratoon.jobs.forked.PATIENCE", 0.0)
    with Warm(SAYING, "json") as warm:
        os.kill(warm.pid, signal.SIGSTOP)
        assert over(Child(["pass"], says("print('from nothing')"), warm=warm)).said == b"from nothing\n"
    with Warm(SAYING, "json") as warm:
        os.kill(warm.pid, signal.SIGSTOP)
        for _ in range(2):
            child = Child(["pass"], says(LONG), warm=warm)
            child.ask()
            assert over(child).code == -signal.SIGTERM
        until(lambda: not alive(warm.pid))
    monkeypatch.setattr(module, "GRACE", 0.0)
    with Warm(SAYING, "json") as warm:
        os.kill(warm.pid, signal.SIGSTOP)
    assert not alive(warm.pid)


def test_changed_code_has_another_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run is forked from one that has imported what is there now; the run under way goes on to its end.

    Code is ours, and what is installed.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (tmp_path / "changing.py").write_text("SAYS = 'old'")
    text = "import changing; print(changing.SAYS)"
    with Warm(SAYING, "changing") as warm:
        assert over(Child([text], warm=warm)).said == b"old\n"
        (tmp_path / "changing.py").write_text("SAYS = 'new'")
        assert over(Child([text], warm=warm)).said == b"old\n"
        child, run = begun(warm, tmp_path)
        first = warm.pid
        monkeypatch.setattr(module, "version", lambda: "another")
        assert over(Child([text], warm=warm)).said == b"new\n"
        assert alive(run)
        assert alive(first)
        child.ask()
        assert over(child).code == -signal.SIGTERM
        until(lambda: not alive(first))
        second = warm.pid
        (site / "another").mkdir()
        assert over(Child([text], warm=warm)).said == b"new\n"
        assert warm.pid != second


def test_it_ends_with_who_started_its_template(tmp_path: Path) -> None:
    """A run does not outlive a worker that was killed, and neither does the template."""
    program = (
        "import sys, time; from ratoon.jobs.child import Child; from ratoon.jobs.warm import Warm; "
        f"warm = Warm({SAYING!r}, 'json'); child = Child([{AT_WORK!r}, sys.argv[1]], warm=warm); print(warm.pid, flush=True); "
        "time.sleep(600)"
    )
    worker = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "pid")], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    template = int(worker.stdout.readline())
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    worker.kill()
    worker.communicate()
    until(lambda: not alive(template))
    until(lambda: not alive(int((tmp_path / "pid").read_text())))
