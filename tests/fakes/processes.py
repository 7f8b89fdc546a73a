"""Processes forked from the test, so that they can be killed at a fault point without starting Python again."""

import os
import warnings
from collections.abc import Callable

from ratoon import durable
from ratoon.domain.errors import Conflict

DONE, FAILED, LOST, KILLED = 0, 1, 7, 9


def start(work: Callable[[], object], fault: str = "") -> int:
    """Fork a process that does `work` under this fault and never returns into the test; its process id."""
    with warnings.catch_warnings():
        # Libraries in the test's process have threads; what the child runs takes none of their locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    code = FAILED
    try:
        if fault:
            os.environ[durable.FAULT] = fault
            durable.passed.clear()
        work()
        code = DONE
    except Conflict:
        code = LOST
    finally:
        os._exit(code)


def end(pid: int) -> int:
    """Wait for a started process: DONE, LOST for a Conflict, FAILED for any other error, KILLED for SIGKILL."""
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def run(work: Callable[[], object], fault: str = "") -> int:
    """`start` and `end`."""
    return end(start(work, fault))
