"""What the scripts that measure databases over their own APIs share; like them it knows nothing of Ratoon and needs only NumPy.

    api_NAME.py FOLDER --seconds S --connections N --recall R

FOLDER: `items.npy`, `queries.npy` (float32, unit length) and `best.npy`, the exact answers to the first queries. The last line
says, as JSON, what was measured at the cheapest effort that reaches R among the hundred best.
"""

import argparse
import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

K = 100
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Asked:
    """What is to be measured, and on what."""

    seconds: float
    connections: int
    recall: float
    items: npt.NDArray[np.float32]
    queries: npt.NDArray[np.float32]
    best: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Found:
    """What came of it."""

    version: str
    effort: str
    recall: float
    qps: float
    p99_ms: float
    cpu_us: float
    build_s: float


def asked() -> Asked:
    """By the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--recall", type=float)
    given = parser.parse_args()
    items, queries, best = (np.load(given.folder / f"{name}.npy") for name in ("items", "queries", "best"))
    return Asked(given.seconds, given.connections, given.recall, items, queries, best)


def tell(found: Iterable[Found], recall: float) -> None:
    """Print the best of several: of those that reach the recall the fastest, else the one that comes nearest."""
    ranked = sorted(found, key=lambda one: (one.recall >= recall, one.qps if one.recall >= recall else one.recall))
    sys.stdout.write(json.dumps(vars(ranked[-1])) + "\n")


def tuned(
    wanted: Asked, efforts: Sequence[int], search: Callable[[int, npt.NDArray[np.float32]], Sequence[int]]
) -> tuple[int, float]:
    """The first effort that reaches the recall, or the last; and what it reaches.

    Args:
        search: (effort, query) -> row numbers, best first.
    """
    reached = 0.0
    for effort in efforts:
        shares = [
            len(set(search(effort, query)) & set(best.tolist())) / K
            for query, best in zip(wanted.queries, wanted.best, strict=False)
        ]
        reached = float(np.mean(shares))
        if reached >= wanted.recall:
            break
    return effort, reached


class _Line(asyncio.Protocol):
    """Sends the next request as soon as it has its answer."""

    def __init__(self, load: "_Load", at: int) -> None:
        self._load, self._at, self._parts = load, at, b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._load.requests[self._at % len(self._load.requests)])
        self._at += 1

    def data_received(self, data: bytes) -> None:
        self._parts += data
        if self._load.whole(self._parts):
            self._parts = b""
            self._load.ms.append(1e3 * (time.perf_counter() - self._sent))
            if time.perf_counter() < self._load.end:
                self._ask()


class _Load:
    def __init__(self, requests: Sequence[bytes], whole: Callable[[bytes], bool], seconds: float) -> None:
        self.requests, self.whole, self.ms = requests, whole, list[float]()
        self.end = time.perf_counter() + seconds


def ask(
    wanted: Asked, port: int, requests: Sequence[bytes], whole: Callable[[bytes], bool], pid: int
) -> tuple[float, float, float]:
    """Requests a second, p99 in milliseconds and CPU of the server in microseconds a request; after a second of warming up.

    Args:
        whole: whether these bytes are a whole answer.
    """

    async def run(seconds: float) -> list[float]:
        loop, load = asyncio.get_running_loop(), _Load(requests, whole, seconds)
        step = len(requests) // wanted.connections
        lines = [
            await loop.create_connection(partial(_Line, load, number * step), "127.0.0.1", port)
            for number in range(wanted.connections)
        ]
        await asyncio.sleep(seconds)
        for transport, _ in lines:
            transport.abort()
        await asyncio.sleep(0)  # by now they are closed
        return load.ms

    asyncio.run(run(1.0))
    before = cpu_seconds(pid)
    ms = asyncio.run(run(wanted.seconds))
    cpu = cpu_seconds(pid) - before
    return len(ms) / wanted.seconds, float(np.percentile(ms, 99)), 1e6 * cpu / len(ms)


def whole_http(data: bytes) -> bool:
    """Whether an HTTP answer with a length, or in chunks, is there to its end."""
    head, found, body = data.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
    if not found or not head.startswith(b"HTTP/1.1 200"):
        if found:
            raise SystemExit(f"answered {head.splitlines()[0]!r}: {body[:200]!r}")
        return False
    return len(body) >= int(length) if length else body.endswith(b"0\r\n\r\n")


def cpu_seconds(pid: int) -> float:
    """What a process, its children and those of them that ended have taken."""
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(one) for task in tasks for one in _text(task).split()]
    return sum(map(int, fields[11:15])) / TICKS + sum(map(cpu_seconds, children))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # a process, or one of its threads, has just ended
        return ""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def await_port(port: int, seconds: float = 60.0) -> None:
    """Until somebody listens there."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")
