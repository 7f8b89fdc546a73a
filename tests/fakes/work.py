"""Jobs, their books and their workers, with a small program in the place of `ratoon`."""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ratoon.config import Alerts, Job
from ratoon.jobs import template
from ratoon.jobs.book import Book
from ratoon.jobs.bound import bind
from ratoon.jobs.child import Child, Ended
from ratoon.jobs.due import Waiting
from ratoon.jobs.forked import Forked
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.run import Run
from ratoon.jobs.telling import Herald
from ratoon.jobs.warm import Process, Warm
from ratoon.jobs.worker import Worker
from ratoon.registry import FileRegistry

T0 = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PUBLISHER = Path(__file__).with_name("publisher.py")


def job(**settings: Any) -> Job:
    """A refresh every ten minutes, or as the settings say."""
    given = settings if {"every", "cron", "when"} & settings.keys() else {"every": "10 min", **settings}
    return Job.model_validate({"do": "refresh", **given})


def run(**changed: Any) -> Run:
    """A run of the job `learn` that was due at T0 and went well, or one changed from that."""
    given = Run(
        id=1,
        job="learn",
        do="refresh",
        surface="default",
        lane="releases of default",
        slot=T0.isoformat(),
        trigger="schedule",
        at=T0,
        since=T0 - timedelta(minutes=10),
        attempt=1,
        status="ok",
        owner="host:1",
        lease=T0 + timedelta(seconds=30),
        started=T0,
        version="0.1.0",
        ended=T0 + timedelta(seconds=20),
        code=0,
        verdict="published",
        seconds=20.0,
    )
    return replace(given, **changed)


def publisher(folder: Path) -> list[str]:
    """The program that publishes, for a folder; whatever arguments follow are left unread."""
    return [sys.executable, str(PUBLISHER), str(folder)]


def says(text: str) -> list[str]:
    """A program that runs this Python and needs nothing of ours."""
    return [sys.executable, "-S", "-c", text]


def reported(outcome: str, reason: str = "five events") -> dict[str, object]:
    """What `ratoon refresh --json` prints, as far as it is kept."""
    plan, stages = {"reason": reason}, [{"name": "join", "rows": 5}]
    told = {"outcome": outcome, "plan": plan, "verdict": None, "window": {"start": 3, "end": 8}, "stages": stages}
    return {**told, "release": "abc", "sequence": 2}


def book(folder: Path, jobs: Mapping[str, Job], program: Sequence[str], lease: float = 30.0, ahead: float = 0.0) -> Book:
    """A book over a folder; its clock is the machine's, so many seconds ahead."""

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=ahead)

    def waiting(surface: str, _runs: Sequence[Run]) -> Waiting:
        current = FileRegistry(folder / "releases", surface).current()
        start = current.window.end if current else 0
        end = int((folder / "events").read_text()) if (folder / "events").exists() else start
        return Waiting(start, end, now() if end > start else None, now())

    return Book(jobs, Ledger(folder / "jobs.sqlite", lease), waiting, lambda _: "", now, program=program)


def worker(of: Book, alerts: Alerts | None = None, **more: Any) -> Worker:
    """A worker whose messages go nowhere."""
    return Worker(of, alerts or Alerts(), Herald(of.notes, lambda _: True), **more)


class Here(Warm):
    """Forks runs of the program that publishes from a fork of this process: there is nothing to import."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.fakes.publisher", "tests.fakes.publisher")
        self._folder = folder

    def begin(self, arguments: Sequence[str], nice: int, said: int, complained: int) -> Forked | None:
        return super().begin([str(self._folder), *arguments], nice, said, complained)

    def started(self, asked: int, complained: int) -> Process:
        parent, pid = os.getpid(), os.fork()
        if pid:
            return Fork(pid)
        os.setsid()
        bind(parent, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.dup2(complained, 2)
        os.closerange(3, asked)  # as when another program is begun
        os.closerange(asked + 1, 1_024)
        code = 1
        try:
            template.main([str(asked), self._program, self._imported])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        finally:  # a run ends here as it does, and nowhere in what this process was doing
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


class Fork:
    """A forked process, as `Warm` looks at one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        if self._code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if found else None
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        del timeout
        until(lambda: self.poll() is not None)
        assert self._code is not None
        return self._code

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def work_here(folder: Path, every: str, lease: float, ahead: float, grace: float) -> None:
    """Be a worker of one job that publishes, once in each such span or, without one, for every event, until SIGTERM."""
    wanted = job(every=every, backoff="1 s") if every else job(when={"rows": 1}, backoff="1 s")
    warm = Here(folder)
    runs = worker(replace(book(folder, {"learn": wanted}, publisher(folder), lease, ahead), warm=warm), grace=grace)
    signal.signal(signal.SIGTERM, lambda *_: runs.stopping.set())
    (folder / f"worker-{os.getpid()}").touch()
    with warm:
        runs.run()
    os._exit(0)


def until(true: Callable[[], object], seconds: float = 240.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process is there, and not only what has to be waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def over(child: Child) -> Ended:
    """How a run ended, once it has."""
    found: list[Ended] = []

    def ended() -> bool:
        if (one := child.poll()) is not None:
            found.append(one)
        return bool(found)

    until(ended)
    return found[0]
