"""What is retrained beside the chains: everything, at every fifth slice, from nothing and from what was retrained before."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from ratoon.bench.refreshes.asking import Opened
from ratoon.bench.refreshes.home import Home, Tell
from ratoon.domain.window import Window
from ratoon.ports import Files

RETRAINS = ("scratch", "window", "warm epoch")
"""From nothing on all rows; from nothing on the latest half; one more pass over all rows from the retrain before."""


def retrained_at(refreshes: int) -> list[int]:
    """The slices before which everything is retrained: every fifth, or oftener where there would be fewer than three."""
    step = max(1, min(5, refreshes // 3))
    return [number for number in range(2, refreshes + 1) if number % step == 0]


@dataclass
class Retrains:
    """The retrains of all seeds; what they learn is joined once per slice, not once per seed.

    Popularity is worth to them what it is worth to the chain `auto` at that moment, which has seen the most fit rows.

    Attributes:
        warm: per seed, the model that the next warm epoch starts from.
        joining: CPU seconds of each join, which no policy is charged.
    """

    homes: list[Home]
    warm: list[Files]
    tell: Tell
    joining: list[float] = field(default_factory=list)
    _joined: tuple[int, Window, pa.Table] | None = None

    def made(self, seed: int, start: int, said: str) -> Iterator[tuple[str, Opened, float]]:
        """Each retrain on what is before position `start`: its policy, the pair, and CPU seconds without features."""
        window, rows = self._rows(start)
        home, half = self.homes[seed], rows.slice(rows.num_rows // 2)
        prior = home.current("auto")[1].files
        for policy in RETRAINS:
            self.tell(f"{said}: {policy} retrain", 0.0)
            if policy == "warm epoch":
                pair, cpu = home.retrained("dense", self.warm[seed], rows, window, prior)
                self.warm[seed] = pair.files
            else:
                pair, cpu = home.retrained("full", None, half if policy == "window" else rows, window, prior)
            yield policy, pair, cpu

    def _rows(self, start: int) -> tuple[Window, pa.Table]:
        if self._joined is None or self._joined[0] != start:
            begun = time.process_time()
            window, rows = self.homes[0].joined(0, start)
            self.joining.append(time.process_time() - begun)
            self._joined = start, _as_of(window, rows), rows
        return self._joined[1:]


def _as_of(window: Window, rows: pa.Table) -> Window:
    """The window as it was when the newest of `rows` arrived: nothing of the slice that comes may be known."""
    return Window(window.start, window.end, rows.column("event_timestamp")[-1].as_py(), window.cursors)
