"""What runs beside a server while it is measured: publications, rebuilds, upserts. Each is a process, ended at the end."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ratoon.bench.serving.servers import ALONE, Server
from ratoon.bench.serving.world import World
from ratoon.domain.errors import StoreError

PACKAGE = "ratoon.bench.serving"
Publishing = AbstractContextManager["Beside"]


class Beside:
    """A process, and what it has said so far: one value of JSON a line."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self.told: list[dict[str, Any]] = []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, **ALONE})
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.append(json.loads(line))

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended; StoreError if it failed."""
        code = self._process.poll()
        if code:
            raise StoreError(
                " ".join(self._command), expected="to run on", found=f"exit {code}", fix="Run it by hand to see more."
            )
        return code is None

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def publishing(world: World, what: str, *options: object) -> Iterator[Beside]:
    """See `publishing`."""
    command = [f"{PACKAGE}.publishing", world.home, world.items, world.users, what, *options]
    with _beside(command) as started:
        yield started


def adopting(server: Server, world: World, count: int = 1_000_000, pause: float = 1.0, rollbacks: int = 0) -> Publishing:
    """Publications that the server is seen to adopt, one after the other."""
    options = ("--count", count, "--pause", pause, "--rollbacks", rollbacks)
    return publishing(world, "adopt", *options, "--url", server.url, "--headers", json.dumps(dict(server.headers)))


@contextmanager
def upserting(server: Server, rate: int) -> Iterator[Beside]:
    """See `upserting`."""
    with _beside([f"{PACKAGE}.upserting", server.port, rate, json.dumps(dict(server.headers))]) as started:
        yield started


@contextmanager
def _beside(command: Sequence[object]) -> Iterator[Beside]:
    module, *arguments = map(str, command)
    # Not with -m: the package imports these modules too, and they would be there twice.
    started = Beside([sys.executable, "-c", f"from {module} import main; main()", *arguments])
    try:
        yield started
    finally:
        started.stop()


@contextmanager
def posting(server: Server, world: World, rate: int) -> Iterator[Beside]:
    """See `posting`."""
    headers = json.dumps(dict(server.headers))
    with _beside([f"{PACKAGE}.posting", server.port, rate, headers, world.items, world.users]) as started:
        yield started
