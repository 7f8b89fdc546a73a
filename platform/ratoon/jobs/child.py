"""A run's process: one of its own, so that whatever becomes of it, whoever started it goes on."""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from time import monotonic
from typing import IO

from ratoon.jobs.bound import BOUND
from ratoon.jobs.forked import Forked, NeverBegan, Over
from ratoon.jobs.warm import Warm

PROGRAM = (sys.executable, "-m", "ratoon")
LONGEST = 4_000
"""Bytes of what a run complained of that are kept, the last ones."""

logger = logging.getLogger("ratoon.jobs")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; negative for the signal that ended it.
        cpu_seconds: of it and the processes it waited for.
        max_rss: the most bytes of memory that it itself had, as it was last seen; of one that was forked, with what it shares.
        said: its standard output.
        complained: the end of its standard error.
    """

    code: int
    seconds: float
    cpu_seconds: float
    max_rss: int
    said: bytes
    complained: str


class Child:
    """A process that has been started. It ends with the process that started it, which is right: a run is safe to kill.

    What it is forked from, if anything, ends with whoever started that.
    """

    def __init__(
        self, arguments: Sequence[str], program: Sequence[str] = PROGRAM, nice: int = 0, warm: Warm | None = None
    ) -> None:
        """Args: arguments: behind `program`; nice: how far it stands back, 0 to 19; warm: forks it, as far as it can."""
        self._said, self._complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has ended
        self._began, self._peak = monotonic(), 0
        self._cold = partial(_Started, [*program, *arguments], nice, self._said, self._complained)
        forked = warm.begin(arguments, nice, self._said.fileno(), self._complained.fileno()) if warm else None
        self._process: Forked | _Started = forked or self._cold()

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return monotonic() - self._began

    def poll(self) -> Ended | None:
        """How it ended; None while it runs. Once it has been told, not to be asked again."""
        if self._process.pid:
            self._peak = max(self._peak, _peak(self._process.pid))
        try:
            done = self._process.poll()
        except NeverBegan:
            logger.warning("a run could not be forked, and is started from nothing")
            self._process, done = self._cold(), None
        if done is None:
            return None
        peak = max(self._peak, done.max_rss)
        ended = Ended(done.code, self.seconds, done.cpu_seconds, peak, _all(self._said), _end(self._complained))
        self._said.close()
        self._complained.close()
        return ended

    def ask(self) -> None:
        """Ask it to end."""
        self._process.signal(SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._process.signal(SIGKILL)


class _Started:
    """A process that was started from nothing."""

    def __init__(self, words: Sequence[str], nice: int, said: IO[bytes], complained: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            [*BOUND, str(os.getpid()), str(nice), *words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complained,
            start_new_session=True,  # a key pressed at the worker's terminal is the worker's
        )
        self.pid = self._process.pid

    def poll(self) -> Over | None:
        """See `Forked.poll`."""
        pid, status, used = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        self.signal(SIGKILL)  # what it may have left behind
        return Over(code, used.ru_utime + used.ru_stime)

    def signal(self, number: Signals) -> None:
        """To all of it."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def _peak(pid: int) -> int:
    """Bytes. What wait4 says of it would begin at our own size, which a process has between fork and exec."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    kib = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), "0")
    return int(kib) * 1024


def _all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _end(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LONGEST))
    return file.read().decode(errors="replace").strip()
