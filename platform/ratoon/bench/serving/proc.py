"""What a process and its children take, by /proc: CPU, memory, descriptors."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[int]:
    """A process and everything it started that still runs."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in _listed(Path(f"/proc/{one}/task")):
            waiting += [int(child) for child in _text(task / "children").split()]
    return found


def cpu_seconds(pid: int) -> float:
    """What they all have taken so far, children that ended included."""
    return sum(_cpu(one, ended=True) for one in tree(pid))


def _cpu(pid: int, *, ended: bool) -> float:
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return sum(map(int, fields[11 : 15 if ended else 13])) / TICKS


def memory_mb(pid: int, kind: str) -> float:
    """Their memory in MiB: `Rss`, or `Pss`, which counts what several share once."""
    return sum(_rollup(one, kind) for one in tree(pid)) / 1024


def _rollup(pid: int, kind: str) -> int:
    lines = _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


def descriptors(pid: int) -> int:
    """How many files and sockets they have open."""
    return sum(len(_listed(Path(f"/proc/{one}/fd"))) for one in tree(pid))


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has just ended
        return ""


def _listed(path: Path) -> list[Path]:
    try:
        return list(path.iterdir())
    except OSError:
        return []
