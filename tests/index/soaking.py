"""An index under everything at once, and a record of what it may answer."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex

DIM, ITEMS, K = 16, 3_000, 20


def grid(rng: np.random.Generator, count: int) -> Vectors:
    """Vectors of eighths, whose inner products are exact in float32 and whose numbers are in float16; shape (count, DIM)."""
    return (rng.integers(-8, 9, (count, DIM)) / 8).astype(np.float32)


@dataclass
class Soak:
    """What was written to the index, and what was wrong in its answers.

    Attributes:
        written: per item all vectors it was ever given, None where it was taken away; grows before the index is told.
        told: per item how many of these the index had acknowledged.
        wrong: what should not have been answered.
        seconds: how long each search took.
    """

    index: FaissIndex
    written: list[list[Vectors | None]] = field(default_factory=lambda: [[None] for _ in range(ITEMS)])
    told: np.ndarray = field(default_factory=lambda: np.ones(ITEMS, np.int64))
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    rounds: dict[str, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self, seconds: float) -> None:
        """Everything at once for so long."""
        self.put(np.random.default_rng(0), np.arange(ITEMS))
        self.index.rebuild(Dial(50, "fp16", nprobe=20))
        self.together([self._write, self._read, self._read, self._mend, self._lay_out, self._keep], seconds)

    def together(self, jobs: Sequence[Callable[[np.random.Generator], None]], seconds: float) -> None:
        """Each of these again and again for so long, in a thread of its own, and until each has been and 200 have searched."""
        threads = [threading.Thread(target=self._repeat, args=(job, seed)) for seed, job in enumerate(jobs)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        while (len(self.seconds) <= 200 or len(self.rounds) < len({job.__name__ for job in jobs})) and not self.wrong:
            time.sleep(0.05)
        self._over.set()
        for thread in threads:
            thread.join(60)

    def _repeat(self, job: Callable[[np.random.Generator], None], seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not self._over.is_set():
            job(rng)
            self.rounds[job.__name__] = self.rounds.get(job.__name__, 0) + 1

    def put(self, rng: np.random.Generator, numbers: np.ndarray) -> None:
        """Give some items other vectors."""
        vectors, ids = grid(rng, len(numbers)), [f"i{number}" for number in numbers]
        for number, vector in zip(numbers.tolist(), vectors, strict=True):
            self.written[number].append(vector)
        self.index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids})))
        self.told[numbers] = [len(self.written[number]) for number in numbers.tolist()]

    def _write(self, rng: np.random.Generator) -> None:
        self.put(rng, rng.choice(ITEMS, 64, replace=False))
        gone = rng.choice(ITEMS // 2, 40, replace=False)  # the other half is always there
        for number in gone.tolist():
            self.written[number].append(None)
        self.index.remove([f"i{number}" for number in gone])
        self.told[gone] = [len(self.written[number]) for number in gone.tolist()]
        time.sleep(0.002)

    def _read(self, rng: np.random.Generator) -> None:
        query, told = grid(rng, 1), self.told.copy()
        begun = time.perf_counter()
        (found,) = self.index.search(query, K)
        self.seconds.append(time.perf_counter() - begun)
        self.check(query[0], found, told)

    def check(self, query: Vectors, found: list[tuple[str, float]], told: np.ndarray) -> None:
        """Whether an answer is one that the index could give since it had acknowledged `told`."""
        if len(found) != K or len({item for item, _ in found}) != K:
            self.wrong.append(f"{len(found)} items, {len(dict(found))} of them different")
        for item, score in found:
            number = int(item[1:])
            may = [vector for vector in self.written[number][told[number] - 1 :] if vector is not None]
            if not any(float(vector @ query) == score for vector in may):
                self.wrong.append(f"{item} scored {score}, which none of its {len(may)} vectors gives")

    def _mend(self, _: np.random.Generator) -> None:
        self.index.upkeep()
        time.sleep(0.01)

    def _lay_out(self, rng: np.random.Generator) -> None:
        lists = int(rng.integers(1, 80))
        self.index.rebuild(Dial(lists, "fp16" if lists % 2 else "flat", nprobe=max(1, lists // 2)))
        time.sleep(0.02)

    def _keep(self, _: np.random.Generator) -> None:
        told = self.told.copy()
        kept = FaissIndex.load(self.index.snapshot())
        ids = kept.ids()
        for item, vector in zip(ids, kept.vectors(ids), strict=True):
            number = int(item[1:])
            if not any(had is not None and np.array_equal(had, vector) for had in self.written[number][told[number] - 1 :]):
                self.wrong.append(f"a snapshot has {item} with another vector")
        if not {f"i{number}" for number in range(ITEMS // 2, ITEMS)} <= set(ids):
            self.wrong.append("a snapshot lacks items that were always there")
        time.sleep(0.05)


def histogram(seconds: list[float]) -> str:
    """How often searches took how long, as a picture of text."""
    edges = np.array([0, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, np.inf])
    counts, _ = np.histogram(np.array(seconds) * 1_000, edges)
    rows = [
        f"{low:>5g} ms {'#' * round(60 * count / max(counts.max(), 1)):<60} {count:,}"
        for low, count in zip(edges, counts, strict=False)
    ]
    return "\n".join(rows)
