"""One thread that does all that is asked of a device, in the order in which it is asked.

Questions that wait in a row are answered together. Nobody waits for more of them: what has come while the ones before were
answered is the next lot, so that a single question is answered at once and many share what they cost.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar

from ratoon.domain.errors import StoreError

A = TypeVar("A")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """What is to be done for a lot of arguments, and one of these."""

    work: Callable[[list[Any]], Sequence[Any]]
    argument: Any
    done: "Future[Any]" = field(default_factory=Future)


class Owner:
    """A thread and what waits for it. It ends when it is closed, or with the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[_Job] = []
        self._open = True
        self.thread = threading.Thread(target=self._serve, name="ratoon-index", daemon=True)
        self.thread.start()

    def together(self, work: Callable[[list[A]], Sequence[R | Exception]], argument: A) -> R:
        """What `work` says of this argument, called once for all in a row that wait with the same `work`; or raises what it is.

        If that fails it is called for each alone, so let it change nothing.

        Raises:
            StoreError: the thread has ended.
        """
        job = _Job(work, argument)
        with self._changed:
            if not self._open or not self.thread.is_alive():
                raise _ended()
            self._waiting.append(job)
            self._changed.notify()
        found: R = job.done.result()
        return found

    def alone(self, work: Callable[[], R]) -> R:
        """What `work` returns or raises, called after all that was asked before and before all that is asked later."""

        def lot(_: list[None]) -> list[R | Exception]:
            return [work()]

        return self.together(lot, None)

    def close(self) -> None:
        """Let the thread end when it has done what waits."""
        with self._changed:
            self._open = False
            self._changed.notify()

    def _serve(self) -> None:
        try:
            while self._lot():
                pass
        finally:
            # Nobody may wait for a thread that is gone, whatever it died of.
            self.close()
            for job in self._waiting:
                if not job.done.done():
                    job.done.set_exception(_ended())

    def _lot(self) -> bool:
        """Do all that waits; False if there will be nothing more. Keeps nothing of it when it returns."""
        with self._changed:
            while self._open and not self._waiting:
                self._changed.wait()
            lot = list(self._waiting)
        for jobs in _in_a_row(lot):
            _do(jobs)
        with self._changed:
            del self._waiting[: len(lot)]
            return self._open or bool(self._waiting)


def _in_a_row(lot: list[_Job]) -> Iterator[list[_Job]]:
    return (list(jobs) for _, jobs in groupby(lot, key=lambda job: job.work))


def _do(jobs: list[_Job]) -> None:
    try:
        found = jobs[0].work([job.argument for job in jobs])
        for job, own in zip(jobs, found, strict=True):
            if isinstance(own, Exception):
                job.done.set_exception(own)
            else:
                job.done.set_result(own)
    except Exception as error:  # noqa: BLE001  # raised where it was asked for
        if len(jobs) == 1:
            jobs[0].done.set_exception(error)
            return
        for job in jobs:  # what one of them is the cause of is not the others' error
            if not job.done.done():
                _do([job])


def _ended() -> StoreError:
    return StoreError(
        "index",
        expected="the thread that owns its device",
        found="that it has ended",
        fix="Start the server again; what it was serving is published.",
    )
