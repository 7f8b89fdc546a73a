"""Servers forked from a process that has imported what they need, so that they start at once."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ratoon.serving import create_app, serve, serve_by_workers
from ratoon.serving.board import Place
from ratoon.serving.metrics import Shared
from ratoon.serving.processes.certificates import Certificate
from tests.fakes.serving_world import World
from tests.flow.children import piped, started

NEVER = 3_600.0
"""Seconds between two looks for what others have added: they hear of it only when they are asked something."""


@dataclass
class Server:
    """One that listens.

    Attributes:
        process: the one that was started; where there are workers, their parent.
    """

    port: int
    process: BaseProcess

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def workers(self) -> list[int]:
        """The processes that answer."""
        return [int(child) for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int | None:
        """Its exit code, once it has ended; None if it takes a minute."""
        self.process.join(60)
        return self.process.exitcode


@contextmanager
def listening(home: Path, count: int, looks: float = 0.01, **how: Any) -> Iterator[Server]:
    """Release 1 of a world under `home`, served by so many workers, or by the process itself if by one.

    Args:
        how: what else `serve` is told; `certificate` by its two files.
    """
    heard, told = piped()
    process = started(serve_here, home, count, looks, how, told)
    told.close()
    try:
        yield Server(heard.recv(), process)
    finally:
        process.kill()
        process.join()
        heard.close()


def serve_here(home: Path, count: int, looks: float, how: dict[str, Any], told: Connection) -> None:
    """Serve in this process, and end it."""

    def opened(place: Place | None = None) -> Any:
        world = World.at(home, place=place, poll_seconds=looks)
        world.registry.release(1)
        world.online.known.add("known")
        return create_app(world.rooms, None if place is None else Shared(home / "counted", str(place.number), time.time))

    def listens(port: int) -> None:
        told.send(port)
        told.close()

    files = how.pop("certificate", None)
    how |= {"port": 0, "started": listens, "certificate": files and Certificate(*files)}
    sys.exit(serve(opened(), **how) if count == 1 else serve_by_workers(opened, count, **how))
