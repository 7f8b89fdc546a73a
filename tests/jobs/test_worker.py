"""A worker: each slot once, whatever becomes of workers, clocks and the ledger; and what it says."""

import logging
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import repeat
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

import pytest

from ratoon import durable
from ratoon.config import Alerts
from ratoon.jobs.due import Decision
from ratoon.jobs.slots import Slot
from ratoon.jobs.version import version
from ratoon.registry import FileRegistry
from tests.fakes.work import T0, book, job, publisher, run, says, until, work_here, worker
from tests.flow.children import ended, started

Start = Callable[..., BaseProcess]


def effects(folder: Path) -> list[int]:
    """Up to where each release has learnt, oldest first."""
    return [release.window.end for release in reversed(FileRegistry(folder / "releases", "default").releases())]


def learns(folder: Path, upto: int) -> None:
    until(lambda: effects(folder)[-1:] == [upto])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workers on the folder; at the end of the test they are killed."""
    made: list[BaseProcess] = []
    (tmp_path / "events").write_text("1")

    def begin(every: str = "", lease: float = 30.0, ahead: float = 0.0, grace: float = 30.0) -> BaseProcess:
        made.append(started(work_here, tmp_path, every, lease, ahead, grace))
        until((tmp_path / f"worker-{made[-1].pid}").exists)
        return made[-1]

    yield begin
    for process in made:
        process.kill()
        process.join()


def signalled(process: BaseProcess, number: signal.Signals) -> None:
    assert process.pid is not None
    os.kill(process.pid, number)


def stopped(process: BaseProcess, ledger: Path) -> None:
    """Stop a process while it does not hold the ledger: what becomes of one that does is another test."""
    while True:
        signalled(process, signal.SIGSTOP)
        with closing(sqlite3.connect(ledger, timeout=1.0, isolation_level=None)) as db:
            try:
                db.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                signalled(process, signal.SIGCONT)
            else:
                return


def began(folder: Path) -> int:
    return len((folder / "began").read_text()) if (folder / "began").exists() else 0


def test_two_workers_run_each_slot_once(tmp_path: Path, start: Start) -> None:
    """Of two workers on one home one runs what data ask for, and each event that comes in is published by one release."""
    start()
    start()
    for events in (1, 2, 3):
        durable.write(tmp_path / "events", str(events).encode())  # whole, for workers read it all the time
        learns(tmp_path, events)
    runs = book(tmp_path, {}, []).ledger.of_job("learn")
    assert effects(tmp_path) == [1, 2, 3]
    assert began(tmp_path) == 3 == len({(one.slot, one.attempt) for one in runs})


def test_a_paused_worker_that_wakes_up_has_no_second_effect(tmp_path: Path, start: Start) -> None:
    """Its lease runs out, another worker publishes more, and what the first then publishes loses: both runs say so."""
    (tmp_path / "wait").touch()
    first = start(every="1 h", lease=1.0)
    until(lambda: began(tmp_path) == 1)
    stopped(first, tmp_path / "jobs.sqlite")
    (tmp_path / "wait").unlink()
    (tmp_path / "events").write_text("2")
    second = start(every="1 h", lease=1.0)
    learns(tmp_path, 2)
    second.terminate()  # what the first has left undone is not tried again
    assert ended(second) == 0
    (tmp_path / "go").touch()
    first.terminate()
    signalled(first, signal.SIGCONT)
    assert ended(first) == 0
    assert effects(tmp_path) == [2]
    good, late = book(tmp_path, {}, []).ledger.of_job("learn")
    assert (good.status, late.status) == ("ok", "failed")
    assert "went on after its lease had run out" in late.reason
    assert "Something else was published first" in late.stderr


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_locked_ledger_stops_no_job(tmp_path: Path, lock: str, caplog: pytest.LogCaptureFixture) -> None:
    """While another process holds it all the time, against reading even, a slot is run once, and it is said that unclaimed."""
    (tmp_path / "events").write_text("1")
    of = book(tmp_path, {"learn": job(cron="0 0 1 1 *", misfire="400 d")}, publisher(tmp_path))
    runs = worker(of)
    thread = Thread(target=runs.run)
    with holder(tmp_path / "jobs.sqlite", lock), caplog.at_level(logging.INFO, "ratoon.jobs"):
        thread.start()
        until(lambda: "job learn: run 0 published" in caplog.text and "jobs run all the same" in caplog.text)
        before = of.now()
        until(lambda: of.now() - before > timedelta(seconds=3))  # several looks
        runs.stopping.set()
        thread.join()
        assert effects(tmp_path) == [1]
        assert began(tmp_path) == 1
    assert "job learn: runs without a claim: the ledger of runs cannot be" in caplog.text
    assert "database is locked" in of.decided("learn").reason


@contextmanager
def holder(ledger: Path, lock: str) -> Iterator[None]:
    """Another process has the ledger's lock."""
    text = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None)"
    text += f"; db.execute('BEGIN {lock}'); print('held', flush=True); sys.stdin.read()"
    process = subprocess.Popen([*says(text), str(ledger)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def test_a_killed_worker_is_replaced(tmp_path: Path, start: Start) -> None:
    """Its run dies with it; another worker takes the slot when the lease is out, and publishes once."""
    (tmp_path / "wait").touch()
    first = start(every="1 h", lease=1.0)
    until(lambda: began(tmp_path) == 1)
    first.kill()
    (tmp_path / "wait").unlink()
    start(every="1 h", lease=1.0)
    learns(tmp_path, 1)
    runs = book(tmp_path, {}, []).ledger.of_job("learn")
    assert [(one.status, one.attempt) for one in runs[-2:]][-1] == ("lost", 1)
    assert effects(tmp_path) == [1]


def test_a_deleted_ledger_and_a_clock_that_is_ahead_change_nothing(tmp_path: Path, start: Start) -> None:
    """With the ledger gone under a run, and a worker whose clock is an hour ahead, there is one release still."""
    (tmp_path / "wait").touch()
    start(every="1 h")
    until(lambda: began(tmp_path) == 1)
    (tmp_path / "jobs.sqlite").unlink()
    start(every="1 h", ahead=3600.0)
    until(lambda: began(tmp_path) >= 2)
    (tmp_path / "go").touch()
    ledger = book(tmp_path, {}, []).ledger
    until(lambda: (runs := ledger.of_job("learn")) and all(one.status != "running" for one in runs) and len(runs) >= 2)
    assert effects(tmp_path) == [1]


def test_sigterm_lets_the_run_end(tmp_path: Path, start: Start) -> None:
    """A worker that is asked to end waits for its run, which publishes, and exits with 0."""
    (tmp_path / "wait").touch()
    process = start(every="1 h")
    until(lambda: began(tmp_path) == 1)
    process.terminate()
    (tmp_path / "go").touch()
    assert ended(process) == 0
    assert effects(tmp_path) == [1]


def test_sigterm_ends_a_run_that_takes_too_long(tmp_path: Path, start: Start) -> None:
    """After the grace the run is ended, nothing is published, and the next worker makes it good at once."""
    (tmp_path / "wait").touch()
    process = start(every="1 h", grace=0.2)
    until(lambda: began(tmp_path) == 1)
    process.terminate()
    assert ended(process) == 0
    assert [one.status for one in book(tmp_path, {}, []).ledger.of_job("learn")] == ["stopped"]
    assert effects(tmp_path) == []
    (tmp_path / "wait").unlink()
    start(every="1 h")
    learns(tmp_path, 1)


def test_a_run_that_was_missed_is_said_at_the_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that comes back after hours says what did not run meanwhile, catches up, and says when it went well."""
    (tmp_path / "events").write_text("1")
    of = book(tmp_path, {"learn": job(misfire="30 min")}, publisher(tmp_path))
    long_ago = datetime.now(UTC) - timedelta(hours=3)
    of.ledger.finish(run(id=0, at=long_ago, started=long_ago, ended=long_ago))
    runs = worker(of)
    thread = Thread(target=runs.run)
    with caplog.at_level(logging.INFO, "ratoon.jobs"):
        thread.start()
        until(lambda: "well again: learn: missing" in caplog.text)
    runs.stopping.set()
    thread.join()
    assert "job 'learn' did not run" in caplog.text
    assert caplog.text.count("no worker was there") == 1
    assert effects(tmp_path) == [1]


def test_a_job_that_fails_leaves_the_worker_at_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run killed as if for want of memory is told and tried again, and its alert comes when no try is left."""
    of = book(tmp_path, {"learn": job(every="1 h", retries=1, backoff="0.1 s")}, says("import os; os.kill(os.getpid(), 9)"))
    runs = worker(of, Alerts())
    thread = Thread(target=runs.run)
    with caplog.at_level(logging.INFO, "ratoon.jobs"):
        thread.start()
        until(lambda: "run 2 killed, try 2" in caplog.text)
    runs.stopping.set()
    thread.join()
    assert [(one.status, one.attempt) for one in of.ledger.of_job("learn")] == [("killed", 2), ("killed", 1)]


def test_a_program_that_is_replaced_stops_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While its files are gone nothing is begun, and the log says why; the look after that runs what is due."""
    of = book(tmp_path, {"learn": job(every="1 h")}, says("pass"))
    runs = worker(of)
    with monkeypatch.context() as patch:
        patch.setattr("ratoon.jobs.attempt.version", partial(version, tmp_path / "gone"))
        runs.look()
    assert "expected the program's files" in caplog.text
    assert of.ledger.of_job("learn") == []
    runs.look()
    runs.stopping.set()
    runs.run()
    assert [one.code for one in of.ledger.of_job("learn")] == [0]


def test_one_shots_of_one_slot_run_once(tmp_path: Path) -> None:
    """What cron calls on several machines at once is done by one of them; the others see that it is."""
    (tmp_path / "events").write_text("1")
    of = book(tmp_path, {"learn": job(every="1 h")}, publisher(tmp_path))
    decision = of.decided("learn")
    assert isinstance(decision, Decision)
    assert isinstance(decision.slot, Slot)
    assert of.to_completion("learn", decision, lambda _: None).status == "ok"
    assert of.decided("learn").slot is None


def test_nobody_waits_for_a_look(tmp_path: Path) -> None:
    """A worker that rests looks as soon as a schedule has its next slot, which it knows from the look before."""
    of = book(tmp_path, {"learn": job(every="10 min")}, says("pass"))
    of.ledger.finish(run(id=0, at=T0, started=T0, ended=T0 + timedelta(seconds=1)))
    for to_come, rest in ((0.1, 0.1), (0.0, 0.25), (300.0, 0.25)):
        at = repeat(T0 + timedelta(minutes=10, seconds=-to_come))
        runs = worker(replace(of, jobs=of.jobs if to_come else {}, now=at.__next__))
        runs.look()
        assert runs.rest() == pytest.approx(rest)
