"""Looks at what is published and at what both processes take."""

import time
from dataclasses import dataclass, field
from threading import Event

from ratoon.bench.soaking.lives import Kept
from ratoon.bench.soaking.seen import Memory, Published
from ratoon.registry import FileRegistry

LOOK = 0.2
"""Seconds between two looks at CURRENT: nothing is published twice between them."""
WEIGH = 1.0
"""Seconds between two looks at memory."""


@dataclass
class Watch:
    """A thread of its own, so that nothing that waits for a process hides a release."""

    registry: FileRegistry
    server: Kept
    worker: Kept
    zero: float
    stop: Event
    published: list[Published] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)

    def run(self) -> None:
        """Until `stop`."""
        while not self.stop.wait(LOOK):
            self.look()

    def look(self) -> None:
        """Once."""
        now = time.monotonic() - self.zero
        current = self.registry.current()
        if current and (not self.published or self.published[-1].release.id != current.id):
            self.published.append(Published(now, current))
        if not self.memory or now - self.memory[-1].at >= WEIGH:
            self.memory.append(Memory(now, self.server.memory_mb(), self.worker.memory_mb()))
