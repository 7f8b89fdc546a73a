"""One answer to `/metrics` for several worker processes: each keeps its figures in a small file, and any of them adds all up.

A worker writes its own file every second, and before it answers a scrape: its own figures are then of this moment, the others'
up to a second old, and what has once been told is on file, so that no later scrape of any worker tells less.
A counter must not fall when a worker dies, or Prometheus takes the rest for new. So whoever takes a dead worker's place goes
on from its file.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from operator import add
from pathlib import Path

from ratoon.domain.errors import StoreError
from ratoon.serving.metrics.tallies import Figures, Named, State

LONGEST_SILENCE = 10.0
"""Seconds after which a worker's gauges are left out: it is gone or hangs. Its counters stay."""

How = Callable[[float, float], float]
JOINS: dict[str, How] = {"sum": add, "max": max, "min": min, "own": max}


class Shared:
    """The files of the workers that answer on one port.

    Args:
        folder: of this run of the server alone, made empty before its first worker starts; best in memory (`/run`, `/dev/shm`).
        worker: this worker's place, such as `0`; a worker that is started instead of another has the other's place.
        clock: seconds since the epoch, the same in all workers.
    """

    def __init__(self, folder: Path, worker: str, clock: Callable[[], float]) -> None:
        self._folder, self.worker, self._clock = folder, worker, clock
        folder.mkdir(parents=True, exist_ok=True)

    def before(self) -> State:
        """What was counted in this place before this process."""
        path = self._file(self.worker)
        return self._read(path)[1] if path.exists() else {}

    def write(self, state: State) -> None:
        """Let the others see these figures; replaces the file, so that they see the old ones or these."""
        path = self._file(self.worker)
        beside = path.with_suffix(".new")
        series = {name: [[*labels, figures] for labels, figures in some.items()] for name, some in state.items() if some}
        beside.write_text(json.dumps({"written": self._clock(), "series": series}), encoding="utf-8")
        beside.replace(path)  # not synced: the figures outlive a worker, and need not outlive the machine

    def joined(self, metrics: Iterable[Named]) -> tuple[State, dict[str, float]]:
        """All workers' figures as one, and for each worker how many seconds ago it wrote its own.

        Raises:
            StoreError: a file holds something else.
        """
        known, joined, ages = {named.name: named for named in metrics}, State(), dict[str, float]()
        for worker, written, state in self._all():
            ages[worker] = max(0.0, self._clock() - written)
            silent = ages[worker] > LONGEST_SILENCE
            for name, series in state.items():
                kind, join = known[name].kind, known[name].join
                if worker == self.worker or not (join == "own" or (silent and kind == "gauge")):
                    _join(joined.setdefault(name, {}), series, JOINS[join])
        return joined, ages

    def _all(self) -> Iterator[tuple[str, float, State]]:
        for path in sorted(self._folder.glob("worker-*.json")):
            yield path.stem.removeprefix("worker-"), *self._read(path)

    def _file(self, worker: str) -> Path:
        return self._folder / f"worker-{worker}.json"

    def _read(self, path: Path) -> tuple[float, State]:
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            rows = {name: {tuple(row[:-1]): row[-1] for row in some} for name, some in told["series"].items()}
            return float(told["written"]), rows
        except (OSError, ValueError, KeyError, TypeError) as wrong:
            raise StoreError(
                str(path), expected="a worker's figures", found=repr(wrong), fix="Delete it: its worker writes it again."
            ) from wrong


def _join(into: dict[tuple[str, ...], Figures], series: dict[tuple[str, ...], Figures], how: How) -> None:
    for labels, figures in series.items():
        there = into.get(labels)
        into[labels] = list(figures) if there is None else [how(one, other) for one, other in zip(there, figures, strict=True)]
