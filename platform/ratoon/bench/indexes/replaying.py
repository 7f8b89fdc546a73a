"""A runbook replayed over the index: the mixture's vectors in the order of their clusters, so that whole regions come and go."""

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.bench.indexes.mixture import JUDGED, TUNING, Mixture
from ratoon.bench.indexes.runbooks import Runbook, Step
from ratoon.bench.indexes.truth import ROUNDING
from ratoon.bench.indexes.worlds import Tell, named
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex

TOP, QUERIES = 10, 100
EXACT = 2_000
"""More items than these lie in lists: scaled down, a runbook would be answered exactly otherwise."""

RECALL = 0.95

Rows = npt.NDArray[np.int64]


@dataclass(slots=True)
class Replayed:
    """What a replay came to.

    Attributes:
        recalls: of each search, recall@10 against the exact answer over what was there.
        seconds: of the index, by kind of step.
        most: the most items that were there at once.
    """

    recalls: list[float] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    most: int = 0

    @property
    def recall(self) -> float:
        """Mean over the searches."""
        return float(np.mean(self.recalls))


class Replay:
    """One index and what is true of it.

    Args:
        mending: whether lists are mended after every write; otherwise they are only made anew when there are far more items.
    """

    def __init__(self, vectors: Vectors, tuning: Vectors, queries: Vectors, *, mending: bool) -> None:
        self._vectors, self._tuning, self._queries, self._mending = vectors, tuning, queries, mending
        self._scores = queries @ vectors.T
        self._holds = np.full(len(vectors), -1)
        self._index = FaissIndex(vectors.shape[1], "cosine", IndexPolicy(recall=RECALL, k=TOP, exact=EXACT, copies=1))
        self._laid = EXACT
        self.replayed = Replayed()

    def play(self, step: Step) -> None:
        """Do one step; a search is judged."""
        if step.kind == "search":
            return self._search()
        if not len(step.ids):
            return None
        ids, rows = named(step.ids), np.arange(step.vectors.start, step.vectors.stop)
        batch = EmbeddingBatch(ids, self._vectors[rows], pa.table({"item_id": list(ids)}))
        begun = time.perf_counter()
        if step.kind == "delete":
            self._index.remove(ids)
        else:
            self._index.upsert(batch)
        self._took(step.kind, begun)
        self._holds[step.ids.start : step.ids.stop] = -1 if step.kind == "delete" else rows
        self.replayed.most = max(self.replayed.most, len(self._index))
        return self._settle()

    def _settle(self) -> None:
        begun = time.perf_counter()
        if self._mending:
            self._index.settle(lambda: self._tuning)
        elif len(self._index) >= 2 * self._laid:
            self._index.rebuild(queries=self._tuning)
            self._laid = len(self._index)
        self._took("upkeep", begun)

    def _search(self) -> None:
        there = np.flatnonzero(self._holds >= 0)
        k = min(TOP, len(there))
        if not k:
            return
        begun = time.perf_counter()
        answers = [self._index.search(query[None, :], k)[0] for query in self._queries]
        self._took("search", begun)
        exact = self._scores[:, self._holds[there]]
        least = np.partition(exact, -k, axis=1)[:, -k] - ROUNDING
        shares = [
            sum(self._scores[row, self._holds[int(item[1:])]] >= least[row] for item in {item for item, _ in found}) / k
            for row, found in enumerate(answers)
        ]
        self.replayed.recalls.append(float(np.mean(np.minimum(shares, 1.0))))

    def _took(self, kind: str, begun: float) -> None:
        self.replayed.seconds[kind] = self.replayed.seconds.get(kind, 0.0) + time.perf_counter() - begun


def replay(book: Runbook, dim: int, tell: Tell, *, mending: bool = True) -> Replayed:
    """Play all steps; queries are blends of the mixture's items, those that tune and those that are judged different ones."""
    mixture = Mixture(dim, seed=11)
    parts = list(mixture.drawn(book.span))
    order = np.argsort(np.concatenate([clusters for _, clusters in parts]), kind="stable")
    vectors = np.concatenate([vectors for vectors, _ in parts])[order]
    playing = Replay(vectors, mixture.queries(QUERIES, TUNING), mixture.queries(QUERIES, JUDGED), mending=mending)
    for number, step in enumerate(book.steps):
        if number % 10 == 0:
            tell(f"runbook {book.name}: step {number + 1} of {len(book.steps)}", number / len(book.steps))
        playing.play(step)
    return playing.replayed
