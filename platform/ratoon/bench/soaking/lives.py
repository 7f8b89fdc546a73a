"""A process that is struck and starts again, and what became of each of its lives."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ratoon.bench.serving import proc
from ratoon.bench.soaking.strikes import Victim
from ratoon.domain.errors import StoreError
from ratoon.jobs import bound

PATIENCE = 60.0
"""Seconds that a process has to end after SIGTERM."""

BELOW = 32_768
"""Ports from here on are given to clients: a server that is down would find its own taken."""

Now = float
"""Seconds of the monotonic clock since the replay began."""


@dataclass(slots=True)
class Life:
    """From a start to an end.

    Attributes:
        struck: when it was told to end; None if nobody did.
        ended: None while it lives.
        how: the signal, or the exit code of one that nobody had told to end.
        code: the exit code; negative for a signal.
    """

    began: Now
    struck: Now | None = None
    ended: Now | None = None
    how: str = ""
    code: int | None = None


@dataclass
class Kept:
    """A command that is kept alive between blows. It ends with the thread that starts it, which has to be the same each time.

    Attributes:
        words: behind `ratoon`.
        log: what it prints is appended here.
        zero: the monotonic clock when the replay began.
    """

    name: Victim
    words: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    zero: float
    lives: list[Life] = field(default_factory=list)
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Begin a life."""
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", bound.__file__, str(os.getpid()), "0", sys.executable, "-m", "ratoon", *self.words],
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.lives.append(Life(self._now()))

    def strike(self, number: signal.Signals) -> None:
        """End its life and wait until it has ended; one that does not heed SIGTERM is killed, which `how` says."""
        if self.fallen() or self._process is None:
            return
        life = self.lives[-1]
        life.struck, life.how = self._now(), number.name
        self._process.send_signal(number)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            life.how = f"{number.name}, not heeded"
        life.ended, life.code = self._now(), self._process.returncode

    def fallen(self) -> bool:
        """Whether its life has ended, by itself or not."""
        life = self.lives[-1]
        if life.ended is None and self._process is not None and self._process.poll() is not None:
            life.ended, life.code, life.how = self._now(), self._process.returncode, "by itself"
        return life.ended is not None

    def memory_mb(self) -> float:
        """Resident memory of it and what it has started, MiB; 0 while it is down."""
        return proc.memory_mb(self._process.pid, "Rss") if self._process is not None else 0.0

    def _now(self) -> Now:
        return time.monotonic() - self.zero


def free_port(seed: int) -> int:
    """A port that nobody listens on and no client is given.

    Raises:
        StoreError: none was found.
    """
    drawn = random.Random(f"{seed} {os.getpid()}")
    for _ in range(200):
        port = drawn.randrange(10_000, BELOW)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            continue
    raise StoreError("a port of 127.0.0.1", expected=f"one free below {BELOW}", found="200 taken ones", fix="End some servers.")
