"""What runs in a process of its own: forked from one that has imported Feast and torch, so that it starts at once."""

import multiprocessing
import os
from pathlib import Path

PRELOADED = ["ratoon.refresh", "ratoon.features.store", "ratoon.training", "ratoon.index", "ratoon.wiring"]


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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=refresh_here, args=(config_file, fault))
    process.start()
    process.join(timeout=120)
    assert process.exitcode is not None, "the refresh hangs"
    return process.exitcode
