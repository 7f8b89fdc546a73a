"""What a process takes is told with what its children take."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ratoon.bench.serving import proc

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE)
child.stdout.readline()
print("ready", flush=True)
sys.stdin.read()
child.kill()
"""
CHILD = """
import sys
held = bytearray(b"x" * (40 << 20))
at = 0
while at < 3_000_000: at += 1
files = [open("/dev/null") for _ in range(50)]
print("ready", flush=True)
import time; time.sleep(600)
"""


@pytest.fixture(scope="module")
def parent() -> Iterator[int]:
    """A process with a child that holds 40 MiB and fifty files and has worked for a while."""
    script = PARENT.replace("CHILD", repr(CHILD))
    process = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process.pid
    assert process.stdin is not None
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_the_tree_holds_children(parent: int) -> None:
    """The process first, and what it started."""
    assert proc.tree(parent)[0] == parent
    assert len(proc.tree(parent)) == 2


def test_memory_and_descriptors_are_the_trees(parent: int) -> None:
    """The child's memory and files count, and what is shared counts once in Pss."""
    rss, pss = proc.memory_mb(parent, "Rss"), proc.memory_mb(parent, "Pss")
    assert 40 < pss < rss < 400
    assert proc.descriptors(parent) > 50


def test_cpu_is_the_trees(parent: int) -> None:
    """What the child has worked counts for its parent."""
    assert proc.cpu_seconds(parent) > 0.05


def test_what_has_ended_takes_nothing() -> None:
    """A process that is gone has no memory and no files; it is no error."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert (proc.memory_mb(gone.pid, "Rss"), proc.descriptors(gone.pid), proc.cpu_seconds(gone.pid)) == (0, 0, 0)


def test_a_child_that_ended_still_counts() -> None:
    """Its CPU is its parent's once it has been waited for."""
    before = proc.cpu_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "at = 0\nwhile at < 3_000_000: at += 1"], check=True)
    assert proc.cpu_seconds(os.getpid()) - before > 0.05
