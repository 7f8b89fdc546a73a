"""Servers in processes of their own: Ratoon's on a world, and the floor beside it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from ratoon.bench.processes import PEERS
from ratoon.bench.serving import proc
from ratoon.bench.serving.world import World
from ratoon.domain.errors import StoreError

READY_SECONDS = 120.0
ALONE = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
"""OpenMP's threads would spin on the cores that the server and the load share; they are told by the environment alone."""

COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "ratoon-bytecode")}
"""Modules are compiled once, as whoever installs a server has them, even where this process must not write what it compiled."""

UNLIMITED = "1000000/second"


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        url: without a path.
        headers: that every request carries.
        ready_s: from its start until it said that it is ready.
    """

    url: str
    process: subprocess.Popen[bytes]
    ready_s: float
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def retrieve(self) -> str:
        """Where candidates are asked for."""
        return f"{self.url}/v1/retrieve"

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        return self.process.pid

    def cpu_seconds(self) -> float:
        """What it and its children have taken."""
        return proc.cpu_seconds(self.pid)

    def client(self) -> httpx.Client:
        """A client for single requests."""
        return httpx.Client(base_url=self.url, headers=dict(self.headers), timeout=30.0)


@contextmanager
def ratoon(world: World, workers: int = 1) -> Iterator[Server]:
    """`ratoon serve` on a world, with a key in hand if keys can be made."""
    more = ["--workers", str(workers)] if takes("--workers") else []
    command = [sys.executable, "-m", "ratoon", "serve", "--port", "PORT", *more]
    with _started(command, {**world.environment, **ALONE}, key_of(world)) as server:
        yield server


@contextmanager
def floor() -> Iterator[Server]:
    """A FastAPI route that does nothing; see `peers/api_floor.py`."""
    with _started([sys.executable, str(PEERS / "api_floor.py"), "PORT"], ALONE, {}) as server:
        yield server


@cache
def takes(option: str) -> bool:
    """Whether `ratoon serve` knows an option."""
    return option in said("serve", "--help").stdout


@cache
def _has_keys() -> bool:
    return said("keys", "--help").returncode == 0


def said(*arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """What `ratoon ARGUMENTS` says."""
    shown = {**os.environ, "COLUMNS": "200", **(environment or {})}
    return subprocess.run([sys.executable, "-m", "ratoon", *arguments], capture_output=True, text=True, env=shown, check=False)


def key_of(world: World) -> Mapping[str, str]:
    """The header that shows a new key of the world; none before there are keys.

    Raises:
        StoreError: a key could not be made.
    """
    if not _has_keys():
        return {}
    made = said("keys", "create", "--role", "operate", "--rate", UNLIMITED, environment=world.environment)
    if made.returncode:
        found = next(iter(reversed(made.stderr.splitlines())), "no message")
        raise StoreError("ratoon keys create", expected="a key", found=found, fix="Run it by hand to see more.")
    return {"Authorization": f"Bearer {made.stdout.strip()}"}


@contextmanager
def _started(command: list[str], environment: Mapping[str, str], headers: Mapping[str, str]) -> Iterator[Server]:
    port = _free_port()
    begun = time.perf_counter()
    shown = {**os.environ, **COMPILED, **environment}
    process = subprocess.Popen([str(port) if word == "PORT" else word for word in command], env=shown)
    try:
        yield Server(f"http://127.0.0.1:{port}", process, _ready(process, port, begun), headers)
    finally:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: "subprocess.Popen[bytes]", port: int, begun: float) -> float:
    url = f"http://127.0.0.1:{port}/readyz"
    while (passed := time.perf_counter() - begun) < READY_SECONDS and process.poll() is None:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return time.perf_counter() - begun
        except httpx.TransportError:
            pass  # it does not listen yet
        time.sleep(0.02)
    found = "not ready" if process.poll() is None else f"exit {process.returncode} after {passed:.1f} s"
    raise StoreError(url, expected=f"ready within {READY_SECONDS:.0f} s", found=found, fix="Read what it printed.")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def current(server: Server) -> dict[str, Any]:
    """What it serves now."""
    with server.client() as http:
        answer: dict[str, Any] = http.get("/v1/releases/current").raise_for_status().json()
        return answer
