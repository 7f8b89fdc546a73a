"""What others know of this process."""

import os

from ratoon.serving.metrics.present import PROCESS, process_figures


def test_the_operating_system_knows_the_process() -> None:
    """Memory, descriptors and the time it started, under the names that every Prometheus client uses; a new descriptor shows."""
    before = dict(process_figures())
    assert before.keys() == PROCESS.keys()
    opened = os.open(os.devnull, os.O_RDONLY)
    try:
        assert dict(process_figures())["process_open_fds"] == before["process_open_fds"] + 1
    finally:
        os.close(opened)
