"""Runs forked from a process that has imported what they need: they begin at once, and are processes of their own as any."""

import logging
import os
import socket
import subprocess
import sys
import sysconfig
import tempfile
import termios
from collections.abc import Callable, Sequence
from fcntl import ioctl
from pathlib import Path
from time import monotonic
from typing import Protocol, Self

from ratoon.domain.errors import RatoonError
from ratoon.jobs import forked
from ratoon.jobs.bound import BOUND
from ratoon.jobs.forked import Forked
from ratoon.jobs.template import Wanted
from ratoon.jobs.version import version

PAUSE = 60.0
"""Seconds from the start of a template that has ended by itself to the next one's; runs are started from nothing meanwhile."""
GRACE = 2.0
"""Seconds that a template has to end by itself."""
LONGEST = 1_000
"""Bytes of what a template complained of that are logged, the last ones."""

logger = logging.getLogger("ratoon.jobs")


class Process(Protocol):
    """As much of `subprocess.Popen` as is needed."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """Its exit code; None while it lives."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended; subprocess.TimeoutExpired if that takes so many seconds."""

    def kill(self) -> None:
        """End it."""


class Warm:
    """Keeps a template: another one when it has ended, or when the code has changed since it was started.

    A context; a template ends with it, and with the thread that started it.
    """

    def __init__(self, program: str, imported: str, pause: float = PAUSE) -> None:
        """Args: program: the module that is run; imported: one that imports what it needs; pause: see `PAUSE`."""
        self._program, self._imported, self._pause = program, imported, pause
        self._template: _Template | None = None
        self._leaving: list[_Template] = []

    def __enter__(self) -> Self:
        self._current()
        return self

    def __exit__(self, *_: object) -> None:
        for template in (*self._leaving, *((self._template,) if self._template else ())):
            template.end()

    def begin(self, arguments: Sequence[str], nice: int, said: int, complained: int) -> Forked | None:
        """A run; None where there is no template that could be asked for it.

        Args:
            arguments: behind the program.
            nice: how far it stands back behind other processes, 0 to 19.
            said, complained: the files of its standard output and error.
        """
        template = self._current()
        return template.fork(arguments, nice, said, complained) if template else None

    @property
    def pid(self) -> int:
        """The template's process; 0 without one."""
        return self._template.process.pid if self._template else 0

    def _current(self) -> "_Template | None":
        for one in [one for one in self._leaving if one.ended()]:
            self._leaving.remove(one)
            one.end()
        template = self._template
        try:
            stamp = _stamp()
        except (OSError, RatoonError) as error:
            logger.warning("what runs are forked from takes none: its code cannot be read: %s", error)
            return None
        if template and (how := template.ended()):
            rests = template.seconds < self._pause
            logger.warning("what runs are forked from has ended: %s; %s", how, "none for a while" if rests else "another one")
            if rests:
                return None
            template.end()
        elif template and template.stamp == stamp:
            return template
        elif template:
            logger.info("the code has changed: runs are forked from a process that knows it")
            template.leave()
            self._leaving.append(template)
        self._template = _Template(self.started, stamp)
        return self._template

    def started(self, asked: int, complained: int) -> Process:
        """A template's process; args: the file numbers of its socket and of its standard error."""
        words = [sys.executable, "-m", "ratoon.jobs.template", str(asked), self._program, self._imported]
        return subprocess.Popen(
            [*BOUND, str(os.getpid()), "0", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complained,
            pass_fds=[asked],
            start_new_session=True,  # a key pressed at the worker's terminal is the worker's
        )


class _Template:
    """A template's process, from outside."""

    def __init__(self, started: Callable[[int, int], Process], stamp: object) -> None:
        self.stamp, self._began = stamp, monotonic()
        self._environment, self._idle = dict(os.environ), monotonic()
        self._complained = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has ended
        self._asks, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with asked:
            self.process = started(asked.fileno(), self._complained.fileno())
        self._asks.setblocking(False)  # a template that hangs must not hold up whoever asks it

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return monotonic() - self._began

    def fork(self, arguments: Sequence[str], nice: int, said: int, complained: int) -> Forked | None:
        """A run; None if the template takes none."""
        if self._hangs():
            self.process.kill()
            logger.warning("what runs are forked from takes none: it hangs")
            return None
        now, before = dict(os.environ), self._environment
        other = {name: value for name, value in now.items() if before.get(name) != value}
        wanted = Wanted(list(arguments), nice, other, [name for name in before if name not in now])
        hears, tells = os.pipe()
        try:
            socket.send_fds(self._asks, [wanted.written()], [said, complained, tells])
        except OSError as error:
            logger.warning("what runs are forked from takes none: %s", error)
            os.close(hears)
            return None
        finally:
            os.close(tells)
        return Forked(hears, self.process.kill)

    def _hangs(self) -> bool:
        """Whether it has not taken what it was asked for, for longer than anybody waits who does not give up before."""
        if ioctl(self._asks, termios.TIOCOUTQ, bytes(4)) == bytes(4):  # so many bytes wait for it
            self._idle = monotonic()
            return False
        return monotonic() - self._idle > forked.PATIENCE

    def ended(self) -> str:
        """How it did; empty while it has not."""
        if (code := self.process.poll()) is None:
            return ""
        size = self._complained.seek(0, os.SEEK_END)
        self._complained.seek(max(0, size - LONGEST))
        complained = self._complained.read().decode(errors="replace").strip()
        return f"exit code {code}: {complained}" if complained else f"exit code {code}"

    def leave(self) -> None:
        """Take no more runs, and end when there are none."""
        self._asks.close()

    def end(self) -> None:
        """End at once if nothing runs, and in any case."""
        self._asks.close()
        try:
            self.process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._complained.close()


def _stamp() -> object:
    """What changes with the code: ours, and that a package was installed, replaced or taken away."""
    folders = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return version(), *(Path(folder).stat().st_mtime_ns for folder in folders)
