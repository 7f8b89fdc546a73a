"""One query at a time by one thread: how many of them, how long each takes, and how much of the exact answer comes back."""

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ratoon.bench.indexes.truth import recall
from ratoon.bench.indexes.worlds import K, World
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import Vectors
from ratoon.index.faiss_cpu import FaissIndex

RECALL = 0.95
LEAST_SECONDS = 3.0
"""How long queries are asked at least, again and again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking one query at a time took.

    Attributes:
        qps: queries a second of the wall's time.
        cpu_us: of the whole process, per query.
        p50_ms, p99_ms: of one query.
        recall: share of the exact k best.
    """

    qps: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    recall: float


def built(world: World, copies: Literal[1, 2] = 2) -> FaissIndex:
    """The world in an index that is laid out by its number and tuned by queries that are not judged."""
    queries = world.array("tuning")
    index = FaissIndex(world.dim, world.metric, IndexPolicy(recall=RECALL, k=K, copies=copies))
    for batch in world.batches():
        index.upsert(batch)
    index.rebuild(queries=queries)
    return index


def asked(index: FaissIndex, world: World) -> Asked:
    """Ask the world's judged queries, one at a time."""
    queries, answers = world.array("judged"), list[list[float]]()
    took, cpu, begun = list[float](), time.process_time(), time.perf_counter()
    while time.perf_counter() - begun < LEAST_SECONDS or len(took) < len(queries):
        query = queries[len(took) % len(queries)][None, :]
        start = time.perf_counter()
        found = index.search(query, K)[0]
        took.append(time.perf_counter() - start)
        if len(answers) < len(queries):
            answers.append([score for _, score in found])
    cpu = time.process_time() - cpu
    low, high = percentiles(np.array(took))
    return Asked(len(took) / sum(took), 1e6 * cpu / len(took), low, high, recall(answers, world.truth()))


def percentiles(seconds: Vectors | npt.NDArray[np.float64]) -> tuple[float, float]:
    """p50 and p99 in milliseconds; zero of nothing."""
    if not len(seconds):
        return 0.0, 0.0
    low, high = np.percentile(seconds, [50, 99])
    return 1e3 * float(low), 1e3 * float(high)
