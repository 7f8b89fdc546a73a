"""What others know of this process at a moment."""

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import ProcessCollector

PROCESS = {
    "process_resident_memory_bytes": "Resident memory",
    "process_open_fds": "Open file descriptors",
    "process_max_fds": "Most file descriptors",
    "process_start_time_seconds": "Start time since the epoch",
}
"""What the operating system says of a worker, under the names that every Prometheus client uses."""


class ExposureCounts(Protocol):
    """What became of exposures since a process opened their log; `ratoon.serving.exposures` has it."""

    @property
    def written(self) -> int:
        """In the file."""

    @property
    def dropped(self) -> int:
        """Lost to a full queue."""

    @property
    def unwritable(self) -> int:
        """Lost, because no file can hold them."""

    @property
    def failures(self) -> int:
        """Times that a batch could not be written."""

    @property
    def waiting(self) -> int:
        """In the queue now."""


def process_figures() -> Iterator[tuple[str, float]]:
    """The figures of PROCESS; none where there is no `/proc`."""
    for family in ProcessCollector(registry=None).collect():
        yield from ((sample.name, sample.value) for sample in family.samples if sample.name in PROCESS)
