"""Processes to do harm to: forked from one that has imported everything, so that they start at once.

Whoever forks here must have no threads: nothing but this file's functions runs between two forks.
"""

import json
import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratoon.bench.chaos.clock import back_at_a_signal
from ratoon.domain.errors import RatoonError
from ratoon.durable import FAULT

PATIENCE = 240.0
"""Seconds after which a process is taken for hanging, and ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code; minus the signal that ended it; None if it hung.
        said, complained: what it wrote to standard output and error.
    """

    code: int | None
    said: str
    complained: str

    @property
    def value(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.said)


class Victim:
    """A forked process that runs `work(*arguments)`, in `folder`.

    Args:
        folder: where its standard output and error go.
        fault: see `ratoon.durable.FAULT`.
    """

    def __init__(self, folder: Path, work: Callable[..., None], *arguments: object, fault: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._out, self._err = folder / f"out-{time.monotonic_ns()}", folder / f"err-{time.monotonic_ns()}"
        self.pid = os.fork()
        if self.pid == 0:
            _live(work, arguments, fault, (self._out, self._err))

    def stopped(self) -> bool:
        """Wait until it has stopped itself; false if it ended without."""
        return os.WIFSTOPPED(self._wait(os.WUNTRACED))

    def ended(self) -> Ended:
        """Wait until it has ended."""
        status = self._wait(0)
        code = None if status < 0 else os.waitstatus_to_exitcode(status)
        return Ended(code, _text(self._out), _text(self._err))

    def signal(self, *numbers: int) -> None:
        """Send it signals."""
        for number in numbers:
            os.kill(self.pid, number)

    def alive(self) -> bool:
        """Whether it is at work still."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"

    def _wait(self, options: int) -> int:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found, status = os.waitpid(self.pid, options | os.WNOHANG)
            if found:
                return status
            time.sleep(0.01)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return -1


def run(folder: Path, work: Callable[..., None], *arguments: object, fault: str = "") -> Ended:
    """`work(*arguments)` in a forked process, to its end."""
    return Victim(folder, work, *arguments, fault=fault).ended()


@contextmanager
def holding(folder: Path, hold: Callable[..., Any], *arguments: object) -> Iterator[None]:
    """A forked process is in the context `hold(*arguments)` while the body runs."""
    taken, given = os.pipe()

    def held() -> None:
        with hold(*arguments):
            os.write(given, b"!")
            time.sleep(PATIENCE)

    holder = Victim(folder, held)
    try:
        os.read(taken, 1)
        yield
    finally:
        holder.signal(signal.SIGKILL)
        holder.ended()
        os.close(taken)
        os.close(given)


def ratoon(folder: Path, *arguments: str) -> None:
    """The command line, as a person calls it in `folder`."""
    os.chdir(folder)
    sys.argv = ["ratoon", *arguments]
    runpy.run_module("ratoon", run_name="__main__")


def _live(work: Callable[..., None], arguments: tuple[object, ...], fault: str, into: tuple[Path, Path]) -> None:
    code = 1
    try:
        for number, path in zip((1, 2), into, strict=True):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        for name in (FAULT, "RATOON_HOME", "RATOON_CONFIG"):
            os.environ.pop(name, None)
        if fault:
            os.environ[FAULT] = fault
        back_at_a_signal()
        work(*arguments)
        code = 0
    except RatoonError as error:
        sys.stderr.write(f"{type(error).__name__} {error}\n")
        code = error.exit_code
    except BaseException:  # noqa: BLE001  # a process that was forked must not go on where its parent does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
