"""The lists made anew behind the ones that are searched, and what queries see of it."""

import time
from dataclasses import dataclass, field
from threading import Event, Thread

import numpy as np

from ratoon.bench.indexes.asking import percentiles
from ratoon.bench.indexes.worlds import K
from ratoon.domain.embedding import Vectors
from ratoon.index.faiss_cpu import FaissIndex

RATE = 200
"""Queries a second while the index is rebuilt."""


@dataclass(slots=True)
class _Asking:
    """Queries at a rate, from a thread of its own."""

    index: FaissIndex
    queries: Vectors
    stop: Event = field(default_factory=Event)
    took: list[float] = field(default_factory=list)
    failed: int = 0
    cpu: float = 0.0

    def run(self) -> None:
        begun = time.perf_counter()
        while not self.stop.wait(max(0.0, begun + (len(self.took) + self.failed) / RATE - time.perf_counter())):
            query, start = self.queries[len(self.took) % len(self.queries)][None, :], time.perf_counter()
            try:
                found = self.index.search(query, K)[0]
            except Exception:  # noqa: BLE001  # counted: none may fail
                self.failed += 1
                continue
            self.took.append(time.perf_counter() - start)
            self.failed += len({item for item, _ in found}) != min(K, len(self.index))
        self.cpu = time.thread_time()


def swapped(index: FaissIndex, queries: Vectors, tuning: Vectors) -> dict[str, float]:
    """Seconds of a rebuild while queries come in; how many came, how many failed or came back short, and their p99.

    `rebuild_cpu_s` leaves out what the queries took; `tune_cpu_s` is its share that goes into choosing how many lists to look at,
    found by doing that once more.

    Args:
        tuning: by which the new lists are tuned, within the same time.
    """
    asking = _Asking(index, queries)
    thread = Thread(target=asking.run, daemon=True)
    thread.start()
    wall, cpu = time.perf_counter(), time.process_time()
    index.rebuild(queries=tuning)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    asking.stop.set()
    thread.join()
    tuned = time.process_time()
    index.tune(tuning)
    return {
        "tune_cpu_s": time.process_time() - tuned,
        "rebuild_s": wall,
        "rebuild_cpu_s": cpu - asking.cpu,
        "asked": len(asking.took),
        "failed": asking.failed,
        "p99_ms": percentiles(np.array(asking.took))[1],
    }
