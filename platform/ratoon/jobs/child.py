"""A run's process: one of its own, so that whatever becomes of it, whoever started it goes on."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from ratoon.jobs import bound

PROGRAM = (sys.executable, "-m", "ratoon")
LONGEST = 4_000
"""Bytes of what a run complained of that are kept, the last ones."""
_BOUND = (sys.executable, "-I", "-S", bound.__file__)
"""Ends with us, see there; isolated, for it needs nothing and has to start fast."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; negative for the signal that ended it.
        cpu_seconds: of it and the processes it waited for.
        max_rss: the most bytes of memory that it itself had, as it was last seen.
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
    """A process that has been started. It ends with the process that started it, which is right: a run is safe to kill."""

    def __init__(
        self,
        arguments: Sequence[str],
        program: Sequence[str] = PROGRAM,
        more: Mapping[str, str] | None = None,
        nice: int = 0,
    ) -> None:
        """Args: arguments: behind `program`; more: of the environment, beside ours; nice: how far it stands back, 0 to 19."""
        self._said, self._complained = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has ended
        self._began, self._peak = monotonic(), 0
        self._process = subprocess.Popen(
            [*_BOUND, str(os.getpid()), str(nice), *program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._complained,
            env={**os.environ, **(more or {})},
            start_new_session=True,  # a key pressed at the worker's terminal is the worker's
        )

    @property
    def seconds(self) -> float:
        """How long it has run."""
        return monotonic() - self._began

    def poll(self) -> Ended | None:
        """How it ended; None while it runs. Once it has been told, not to be asked again."""
        self._peak = max(self._peak, _peak(self._process.pid))
        pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
        if pid == 0:
            return None
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        self._signal(signal.SIGKILL)  # what it may have left behind
        cpu = used.ru_utime + used.ru_stime
        ended = Ended(code, self.seconds, cpu, self._peak, _all(self._said), _end(self._complained))
        self._said.close()
        self._complained.close()
        return ended

    def ask(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
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
