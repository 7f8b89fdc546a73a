"""A run that a template forks, as whoever wants it sees it; see `ratoon.jobs.template` for what is said of it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGKILL, Signals
from time import monotonic

PATIENCE = 120.0
"""Seconds that a template has to import everything and to begin a run; one that takes longer is ended."""
UNHEARD = 5.0
"""Seconds after a run was killed after which a template that has not said how it ended is ended, too."""


class NeverBegan(Exception):
    """Nobody has begun the run, and nobody will."""


@dataclass(frozen=True, slots=True)
class Over:
    """How a process ended, as far as is known of whoever waited for it.

    Attributes:
        code: its exit code; minus the signal that ended it.
        cpu_seconds, max_rss: of it and of what it waited for, see `Ended`; 0 where nobody measured.
    """

    code: int
    cpu_seconds: float = 0.0
    max_rss: int = 0


class Forked:
    """A run.

    Attributes:
        pid: of its process, and its process group; 0 until it has begun.
    """

    def __init__(self, hears: int, end_template: Callable[[], None]) -> None:
        """Args: hears: the pipe in which its template says how it goes, not used by anybody else."""
        os.set_blocking(hears, False)
        self.pid, self._hears, self._end_template = 0, hears, end_template
        self._told, self._asked, self._killed = b"", monotonic(), 0.0
        self._unwanted: int | None = None

    def poll(self) -> Over | None:
        """How it ended; None while it runs. Once it has been told, not to be asked again.

        Raises:
            NeverBegan: its template ended before, or could not make it.
        """
        if self._unwanted is not None:
            return Over(-self._unwanted)
        gone, done = self._hear(), self._ended()
        if gone or done:
            os.close(self._hears)
            if not self.pid:
                raise NeverBegan
            if done:
                return done
            self._send(SIGKILL)
            return Over(-SIGKILL)
        if self._late():
            self._end_template()
        return None

    def signal(self, number: Signals) -> None:
        """Send it a signal; one that has not begun does not begin any more."""
        if self._unwanted is not None:
            return
        self._hear()  # it may have begun, or ended, since it was looked at
        if not self.pid:
            os.close(self._hears)
            self._unwanted = number
        elif not self._ended():
            self._send(number)
            if number == SIGKILL:
                self._killed = self._killed or monotonic()

    def _send(self, number: Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def _hear(self) -> bool:
        """Whether nobody will say anything any more."""
        try:
            while part := os.read(self._hears, 4_096):
                self._told += part
        except BlockingIOError:
            gone = False
        else:
            gone = True
        if self._told.startswith(b"began "):
            self.pid = int(self._told.split()[1])
        return gone

    def _ended(self) -> Over | None:
        _, there, told = self._told.partition(b"ended ")
        if not there:
            return None
        code, seconds, size = told.split()
        return Over(int(code), float(seconds), int(size))

    def _late(self) -> bool:
        if self._killed:
            return monotonic() - self._killed > UNHEARD
        return not self.pid and monotonic() - self._asked > PATIENCE
