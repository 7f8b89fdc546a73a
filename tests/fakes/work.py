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
from ratoon.jobs.book import Book
from ratoon.jobs.due import Waiting
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.run import Run
from ratoon.jobs.telling import Herald
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


def work_here(folder: Path, every: str, lease: float, ahead: float, grace: float) -> None:
    """Be a worker of one job that publishes, once in each such span or, without one, for every event, until SIGTERM."""
    wanted = job(every=every, backoff="1 s") if every else job(when={"rows": 1}, backoff="1 s")
    runs = worker(book(folder, {"learn": wanted}, publisher(folder), lease, ahead), grace=grace)
    signal.signal(signal.SIGTERM, lambda *_: runs.stopping.set())
    (folder / f"worker-{os.getpid()}").touch()
    runs.run()
    os._exit(0)


def until(true: Callable[[], object], seconds: float = 240.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.02)
