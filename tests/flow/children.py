"""What runs in a process of its own: forked from one that has imported Feast and torch, so that it starts at once."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from ratoon.bench.chaos import matrix

PRELOADED = ["prometheus_client", *matrix.PRELOADED, "ratoon.serving", "tests.fakes.serving_world"]
"""What the process imports that all others are forked from; the first before Feast, which turns it to files."""


def refresh_here(config_file: Path, fault: str, surface: str = "default") -> None:
    """Refresh one surface in this process, dying at a fault point if one is named."""
    os.environ.pop("RATOON_FAULT", None)
    if fault:
        os.environ["RATOON_FAULT"] = fault
    from ratoon import config
    from ratoon.refresh import refresh
    from ratoon.wiring import House

    house = House(config.load(config_file, environment={}))
    refresh(house.workshop(surface), house.stopwatch())
    os._exit(0)


def refresh_in_child(config_file: Path, fault: str = "") -> int:
    """The exit code of a refresh in a fresh process; -9 if it was killed."""
    return ended(started(refresh_here, config_file, fault))


def started(work: Callable[..., None], *arguments: object) -> BaseProcess:
    """A fresh process that does `work`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def piped() -> tuple[Connection, Connection]:
    """What hears, and what a started process may be given to tell."""
    return multiprocessing.get_context("forkserver").Pipe(duplex=False)


def ended(process: BaseProcess) -> int:
    """Wait for a started process; its exit code."""
    process.join(timeout=120)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode


def ratoon_here(folder: Path, arguments: Sequence[str]) -> None:
    """`ratoon ...` in `folder`, in this process; what it says goes to the files `stdout` and `stderr` beside the folder."""
    os.chdir(folder)
    os.environ["COLUMNS"] = "200"
    for name in ("RATOON_HOME", "RATOON_CONFIG"):
        os.environ.pop(name, None)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder.parent / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["ratoon", *arguments]
    from ratoon.cli import main

    main()


def ratoon_in_child(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`ratoon ...` in a fresh process."""
    code = ended(started(ratoon_here, folder, arguments))
    said, complained = ((folder.parent / name).read_text() for name in ("stdout", "stderr"))
    return subprocess.CompletedProcess(arguments, code, said, complained)
