"""Handing answers over: never waiting, never losing silently."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError, UsageError
from ratoon.domain.exploration import kept
from ratoon.serving.exposures import ExposureLog, StoredExposures
from ratoon.serving.exposures import log as log_module
from ratoon.serving.exposures.connection import connect
from tests.serving.exposures.answers import answer


def read(path: Path) -> list[str]:
    return [one.request_id for one in StoredExposures(path).read("default")]


def until(true: Callable[[], bool]) -> None:
    for _ in range(1_000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


def test_it_is_written_by_itself(tmp_path: Path) -> None:
    """What was handed over is on disk soon after, though nobody asks for it, and the counts say so."""
    with closing(ExposureLog(tmp_path / "new" / "log")) as log:
        log.add(answer("r1"))
        log.add(answer("r2", 1))
        until(lambda: log.counts().written == 2)
        assert read(tmp_path / "new" / "log") == ["r1", "r2"]
        assert (log.counts().waiting, log.counts().dropped) == (0, 0)


def test_closing_writes_everything(tmp_path: Path) -> None:
    """More than several batches, handed over at once, are on disk when `close` returns; closing again does nothing."""
    log = ExposureLog(tmp_path / "log")
    for number in range(2_500):
        log.add(answer(f"{number:04d}"))
    log.close()
    log.close()
    assert read(tmp_path / "log") == [f"{number:04d}" for number in range(2_500)]


def test_what_was_flushed_survives_a_kill(tmp_path: Path) -> None:
    """A process that dies right after its exposures were committed leaves them, and the next one writes on."""
    said = "import os, sys; from pathlib import Path; from ratoon.serving.exposures import ExposureLog\n"
    said += "from tests.serving.exposures.answers import answer\n"
    said += "log = ExposureLog(Path(sys.argv[1])); log.add(answer('r1')); log.flush(); os._exit(9)"
    run = subprocess.run([sys.executable, "-c", said, tmp_path / "log"], cwd=Path(__file__).parents[3], check=False)
    assert run.returncode == 9
    with closing(ExposureLog(tmp_path / "log")) as log:
        log.add(answer("r2", 1))
    assert read(tmp_path / "log") == ["r1", "r2"]


def test_only_the_sample_is_kept(tmp_path: Path) -> None:
    """Those requests are logged that the hash chooses, the share stands beside each, and the others are counted."""
    with closing(ExposureLog(tmp_path / "log", share=0.25, salt="s")) as log:
        for number in range(400):
            log.add(answer(f"{number:03d}"))
        log.flush()
        counts = log.counts()
    chosen = [f"{number:03d}" for number in range(400) if kept(f"{number:03d}", 0.25, "s")]
    assert read(tmp_path / "log") == chosen
    assert (counts.written, counts.unsampled) == (len(chosen), 400 - len(chosen))
    assert {one.share for one in StoredExposures(tmp_path / "log").read("default")} == {0.25}


def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    """While the file is held by another process the queue fills up; what comes then is dropped, counted, and not waited for."""
    path = tmp_path / "log"
    with closing(ExposureLog(path, limit=3)) as log, closing(connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(10):
            log.add(answer(f"r{number}"))
        assert (log.counts().dropped, log.counts().waiting) == (7, 3)
        other.execute("ROLLBACK")
    assert read(path) == ["r0", "r1", "r2"]


def test_a_repeated_request_is_one_exposure(tmp_path: Path) -> None:
    """The first answer of a request id stays, in the file and from another process too; later ones are counted."""
    with closing(ExposureLog(tmp_path / "log")) as log, closing(ExposureLog(tmp_path / "log")) as other:
        log.add(answer("r1"))
        log.flush()
        other.add(answer("r1", 7))
        other.flush()
        assert (log.counts().repeated, other.counts().repeated, other.counts().written) == (0, 1, 0)
    assert read(tmp_path / "log") == ["r1"]


def test_what_cannot_be_stored_keeps_nothing_else_from_it(tmp_path: Path) -> None:
    """An id that is no text is counted as lost, and its neighbours are written."""
    with closing(ExposureLog(tmp_path / "log")) as log:
        for user in ("u", "\ud800", "v"):
            log.add(answer(f"of {user}", user=user))
        log.flush()
        assert (log.counts().written, log.counts().unwritable) == (2, 1)


def test_a_failure_is_counted_and_tried_again(tmp_path: Path) -> None:
    """While the table is gone nothing is lost and the failure is told; when it is back everything is written."""
    path = tmp_path / "log"
    with closing(ExposureLog(path)) as log, closing(connect(path)) as other:
        other.execute("ALTER TABLE exposures RENAME TO away")
        log.add(answer("r1"))
        with pytest.raises(StoreError, match="expected an exposure log .* no such table"):
            log.flush()
        until(lambda: log.counts().failures > 1)  # the thread lives and tries
        assert (log.counts().waiting, log.counts().written) == (1, 0)
        assert "no such table" in log.counts().failed
        other.execute("ALTER TABLE away RENAME TO exposures")
        log.flush()
        assert (log.counts().waiting, log.counts().written, log.counts().failed) == (0, 1, "")


def test_what_is_lost_at_the_end_is_said(tmp_path: Path) -> None:
    """If nothing can be written when the log is closed, the error says how many exposures are lost."""
    log = ExposureLog(tmp_path / "log")
    with closing(connect(tmp_path / "log")) as other:
        other.execute("DROP TABLE exposures")
    log.add(answer("r1"))
    log.add(answer("r2"))
    with pytest.raises(StoreError, match="found 2 exposures lost: OperationalError"):
        log.close()


def test_processes_may_write_at_once(tmp_path: Path) -> None:
    """Four logs on one file, each with its own thread, lose nothing between them."""
    start = threading.Barrier(4)

    def write(name: str) -> None:
        with closing(ExposureLog(tmp_path / "log")) as log:
            start.wait()
            for number in range(50):
                log.add(answer(f"{name}{number}"))
                if number % 10 == 0:
                    log.flush()

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(tmp_path / "log")) == 200


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_share_is_a_share(tmp_path: Path, share: float) -> None:
    """A sample of nothing, or of more than everything, is refused."""
    with pytest.raises(UsageError, match=f"exposures.share: expected above 0 and at most 1, found {share}"):
        ExposureLog(tmp_path / "log", share)


def test_what_is_old_is_deleted_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server deletes, a batch at a time, what is older than it keeps beside the newest; told nothing it keeps all."""
    monkeypatch.setattr(log_module, "BATCH", 2)
    monkeypatch.setattr(log_module, "PRUNE_SECONDS", 0.1)
    path = tmp_path / "log"
    with closing(ExposureLog(path)) as log:
        for number in range(7):
            log.add(answer(f"r{number}", number))
        log.flush()
    with closing(ExposureLog(path)) as log:
        time.sleep(0.2)
        assert len(read(path)) == 7
    with closing(ExposureLog(path, keep=2.5)) as log:
        until(lambda: read(path) == ["r4", "r5", "r6"])
        log.add(answer("r9", 9))
        until(lambda: read(path) == ["r9"])
        assert log.counts().failures == 0
    assert [one.request_id for one in StoredExposures(path).read("default")] == ["r9"]


def test_deleting_that_fails_is_counted(tmp_path: Path) -> None:
    """What is old and cannot be deleted is told like what cannot be written."""
    with closing(ExposureLog(tmp_path / "log")) as log:
        log.add(answer("r1"))
        log.flush()
    with closing(connect(tmp_path / "log")) as other:
        other.execute("CREATE TRIGGER never BEFORE DELETE ON exposures BEGIN SELECT RAISE(ABORT, 'not this one'); END")
        with closing(ExposureLog(tmp_path / "log", keep=1.0)) as log:
            log.add(answer("r2", 60))
            until(lambda: log.counts().failures > 0)
            assert "not this one" in log.counts().failed
            until(lambda: log.counts().written == 1)
