"""Where answers are handed over: a bounded queue, and a thread that writes what is in it, a batch at a time.

The request pays for one look at a hash and one append. It never waits and never fails here: what finds the queue full is
dropped and counted. What is in the queue is on disk about 100 ms later, and lost if the process is killed before.
"""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ratoon.domain import exploration
from ratoon.domain.errors import StoreError, UsageError
from ratoon.serving.exposures.connection import connect, delete, failures
from ratoon.serving.exposures.exposure import COLUMNS, Exposure, row_of

PAUSE = 0.05
"""Seconds between two looks into the queue, so that what is in it is committed within 100 ms."""

AGAIN = 1.0
"""Seconds to wait after a failure before the same batch is written again."""

BATCH = 1_000
"""Exposures encoded and committed at once, or deleted: others write in between."""

PRUNE_SECONDS = 60.0
"""Between two looks for what is too old: each then finds what came in a minute, instead of one a day a day's worth."""

QUEUE = 10_000
"""Exposures that wait at most: 10 s of a thousand answers a second, about 100 MB where each has a hundred candidates."""

_INSERT = f"""
INSERT INTO exposures ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))}) ON CONFLICT (request_id) DO NOTHING"""


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the exposures that were handed over since the log was opened here.

    Attributes:
        written: committed.
        unsampled: passed over, because the hash of the request id says so.
        dropped: lost to a full queue.
        repeated: passed over, because the log has an exposure with that request id.
        unwritable: lost, because they hold what no file can: a lone surrogate in a user's id.
        failures: times that a batch could not be written, or what is old not deleted; it is tried again until it is.
        waiting: in the queue now.
        failed: what the last failure said; empty once a batch has been written since.
    """

    written: int
    unsampled: int
    dropped: int
    repeated: int
    unwritable: int
    failures: int
    waiting: int
    failed: str


class ExposureLog:
    """Takes what was answered, and writes it. Processes may share the file; open it after a fork, not before.

    `add` is for one thread, the event loop's; everything else may be called from any.

    Args:
        path: the file; made with its folder if it is not there.
        share: of all requests, that is logged; above 0, at most 1. It is written with each row.
        salt: of the hash that decides which those are; the same in every process.
        limit: how many exposures wait at most.
        keep: by how many seconds one has to be older than the newest in the file to be deleted, by whichever process looks first;
            None: nothing is.

    Raises:
        UsageError: the share is out of range.
        StoreError: the file cannot be opened, or another version wrote it.
    """

    def __init__(self, path: Path, share: float = 1.0, salt: str = "", limit: int = QUEUE, keep: float | None = None) -> None:
        if not 0 < share <= 1:
            raise UsageError(
                "exposures.share", expected="above 0 and at most 1", found=str(share), fix="Leave the log off for none."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._share, self._salt, self._limit, self._keep = path, share, salt, limit, keep
        self._db = connect(path)
        self._queue: deque[Exposure] = deque()
        self._unsampled = self._dropped = self._written = self._repeated = self._unwritable = self._failures = 0
        self._failed = ""
        self._writing, self._closing = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="exposures", daemon=True)
        self._thread.start()

    def add(self, exposure: Exposure) -> None:
        """Hand one answer over, if it is in the sample. Never waits, never raises."""
        if self._share < 1 and not exploration.kept(exposure.request_id, self._share, self._salt):
            self._unsampled += 1
        elif len(self._queue) >= self._limit:
            self._dropped += 1
        else:
            self._queue.append(exposure)

    def counts(self) -> Counts:
        """What became of what was handed over; for metrics."""
        return Counts(
            self._written,
            self._unsampled,
            self._dropped,
            self._repeated,
            self._unwritable,
            self._failures,
            len(self._queue),
            self._failed,
        )

    def flush(self) -> None:
        """Write what is in the queue now.

        Raises:
            StoreError: it cannot be written; it stays in the queue.
        """
        left = len(self._queue)
        while left > 0 and self._queue:
            left -= self._write()

    def close(self) -> None:
        """Write everything and close the file; the log cannot be used afterwards. A second call does nothing.

        Raises:
            StoreError: what is in the queue cannot be written, and is lost; says how many that is.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._thread.join()
        try:
            self.flush()
        except StoreError as error:
            raise StoreError(
                error.field, expected=error.expected, found=f"{len(self._queue)} exposures lost: {error.found}", fix=error.fix
            ) from error
        finally:
            self._db.close()

    def _run(self) -> None:
        pause, due = PAUSE, 0.0
        while not self._closing.wait(pause):
            pause = PAUSE
            try:
                self.flush()
                if self._keep is not None and time.monotonic() >= due and self._prune(self._keep) < BATCH:
                    due = time.monotonic() + PRUNE_SECONDS
            except StoreError:  # counted and told by `counts`; what could not be written is tried again
                pause = AGAIN

    def _prune(self, keep: float) -> int:
        """Delete a batch of what is too old; how many exposures."""
        with self._writing, self._counted():
            newest = self._db.execute("SELECT max(time) FROM exposures").fetchone()[0]
            return 0 if newest is None else delete(self._db, "time < ?", newest - round(keep * 1e6), BATCH)

    def _write(self) -> int:
        """Commit one batch and take it from the queue; how many exposures that were."""
        with self._writing:
            batch = [self._queue[place] for place in range(min(BATCH, len(self._queue)))]
            rows = list(self._rows(batch))
            with self._counted(), self._db as db:
                db.execute("BEGIN IMMEDIATE")
                new = db.executemany(_INSERT, rows).rowcount
            for _ in batch:
                self._queue.popleft()
            self._written += new
            self._repeated += len(rows) - new
            self._unwritable += len(batch) - len(rows)
            self._failed = ""
            return len(batch)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            with failures(self._path):
                yield
        except StoreError as error:
            self._failures += 1
            self._failed = error.found
            raise

    def _rows(self, batch: Iterable[Exposure]) -> Iterator[tuple[object, ...]]:
        for exposure in batch:
            # One answer that cannot be written must not keep all others from it; it is counted.
            with suppress(UnicodeError):
                yield row_of(exposure, self._share)
