"""The process that runs are forked from: it has imported what they need, and has opened nothing.

`python -m ratoon.jobs.template SOCKET PROGRAM IMPORTED` takes `Wanted` runs from the socket, with three open files each: standard
output, standard error and a pipe. It runs the module PROGRAM in a fork of itself, as `python -m` would, and says in the pipe
`began PID` and `ended CODE CPU_SECONDS BYTES`. It ends when the socket is closed and the last run has ended; if it is killed,
its runs end with it.

What IMPORTED imports must not connect, compute or look for a GPU: a fork has one thread, and no use for what others of its
process were at.
"""

import atexit
import gc
import json
import os
import runpy
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import import_module
from selectors import EVENT_READ, DefaultSelector
from signal import SIGKILL

from ratoon.jobs import bound

LARGEST = 200_000
"""Bytes of a message, at most; what a Unix socket takes at once."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run to be forked.

    Attributes:
        arguments: behind the program.
        nice: how far it stands back behind other processes, 0 to 19.
        environment: what is other than it was when the template was started.
        gone: names that are not in the environment any more.
    """

    arguments: Sequence[str]
    nice: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    gone: Sequence[str] = ()

    def written(self) -> bytes:
        """As a message."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class _Run:
    pid: int
    handle: int
    tells: int


class Template:
    """Forks what is asked for, and says how it ended."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked, self._runs = asked, dict[int, _Run]()
        self._selector = DefaultSelector()
        self._selector.register(asked, EVENT_READ)

    def serve(self) -> Wanted | None:
        """In a forked process what it has to do; None in this one, at the end."""
        open_ = True
        while open_ or self._runs:
            for key, _ in self._selector.select():
                if key.fd in self._runs:
                    self._ended(self._runs.pop(key.fd))
                    continue
                message, files, _, _ = socket.recv_fds(self._asked, LARGEST, 3)
                if not message:
                    open_ = False
                    self._selector.unregister(self._asked)
                elif wanted := self._forked(message, files):
                    return wanted
        return None

    def _forked(self, message: bytes, files: list[int]) -> Wanted | None:
        """What is wanted, in the process that has to do it."""
        said, complained, tells = files
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:  # nobody hears that it began, and it is started in another way
            pid = -1
        if pid == 0:
            self._close()
            wanted = Wanted(**json.loads(message))
            _become(wanted, parent, files)
            return wanted
        os.close(said)
        os.close(complained)
        if pid < 0:
            os.close(tells)
            return None
        run = _Run(pid, os.pidfd_open(pid), tells)
        self._runs[run.handle] = run
        self._selector.register(run.handle, EVENT_READ)
        return None

    def _ended(self, run: _Run) -> None:
        self._selector.unregister(run.handle)
        os.close(run.handle)
        with suppress(ProcessLookupError):
            os.killpg(run.pid, SIGKILL)  # what it may have left behind; nobody else has its number before it is waited for
        _, status, used = os.wait4(run.pid, 0)
        told = f"ended {os.waitstatus_to_exitcode(status)} {used.ru_utime + used.ru_stime} {used.ru_maxrss * 1024}\n"
        with suppress(BrokenPipeError):  # nobody wants to know any more
            os.write(run.tells, told.encode())
        os.close(run.tells)

    def _close(self) -> None:
        """What is the template's own, in a process forked from it."""
        self._selector.close()
        self._asked.close()
        for run in self._runs.values():
            os.close(run.handle)
            os.close(run.tells)


def _become(wanted: Wanted, parent: int, files: Sequence[int]) -> None:
    """A process of its own, that ends with the template."""
    said, complained, tells = files
    os.setsid()
    bound.bind(parent, wanted.nice)
    os.dup2(said, 1)
    os.dup2(complained, 2)
    os.write(tells, f"began {os.getpid()}\n".encode())
    for handle in files:
        os.close(handle)
    for name in wanted.gone:
        os.environ.pop(name, None)
    os.environ.update(wanted.environment)
    if drawing := sys.modules.get("numpy.random"):
        drawing.seed()  # as `random` does by itself: two runs draw differently


def main(arguments: Sequence[str]) -> None:
    """Args: arguments: the number of the socket, the program's module, and a module that imports the rest."""
    number, program, imported = arguments
    import_module(imported)
    sys.stdout.flush()  # what was printed meanwhile is no part of what runs say
    gc.collect()
    gc.freeze()  # what is there already is not looked at again, and not copied because of it
    wanted = Template(socket.socket(fileno=int(number))).serve()
    if wanted is not None:
        sys.argv = [program, *wanted.arguments]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    sys.stdout.flush()
    sys.stderr.flush()
    atexit._run_exitfuncs()
    os._exit(0)  # what has been imported need not be taken apart


if __name__ == "__main__":
    main(sys.argv[1:])
