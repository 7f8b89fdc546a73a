"""Become another program that ends when its parent does: `python bound.py PARENT NICE PROGRAM ARGUMENTS...`.

A program of its own, since between a fork and what is run no Python is safe where there are threads. Standard library only.
"""

import ctypes
import os
import signal
import sys

DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of prctl(2); it outlasts execve."""
BOUND = (sys.executable, "-I", "-S", __file__)
"""The command that this file is; isolated, for it needs nothing and has to start fast."""


def bind(parent: int, nice: int) -> None:
    """End when the parent does, and stand back behind other processes.

    Args:
        parent: its process id, as it was when we were begun.
        nice: how far, 0 to 19.
    """
    os.nice(nice)
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def main(arguments: list[str]) -> None:
    """Args: arguments: the parent's process id, how far to stand back behind other processes, and what to run."""
    parent, nice, *program = arguments
    bind(int(parent), int(nice))
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
