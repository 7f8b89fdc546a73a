"""New clusters emerge, the oldest items go: what mended lists keep of the recall of lists made anew, and at what cost."""

import time

import numpy as np
import pyarrow as pa

from ratoon.bench.indexes.asking import RECALL
from ratoon.bench.indexes.mixture import CLUSTERS, TUNING, Mixture, blended
from ratoon.bench.indexes.worlds import K, Tell, named
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex

ROUNDS, SHARE, NEW = 20, 0.05, 20
"""Rounds, the share of the items that each replaces, and the new clusters that these come from."""

QUERIES = 500


def drifted(items: int, dim: int, tell: Tell) -> dict[str, float]:
    """Recall after all rounds and CPU seconds a round: lists left as they were, mended, and made anew.

    All three look at as many lists for a query as the first needed before anything had changed.
    """
    mixture = Mixture(dim, seed=7, clusters=CLUSTERS // 10)
    vectors = np.concatenate(list(mixture.vectors(items)))
    kept, fresh = _index(vectors, mixture.queries(QUERIES, TUNING)), max(1, int(items * SHARE))
    stale, cpu, mended = kept.copy(), dict.fromkeys(("write", "upkeep", "rebuild"), 0.0), 0
    for number in range(ROUNDS):
        tell(f"drift: round {number + 1} of {ROUNDS}", number / ROUNDS)
        rows = np.arange(number * fresh, (number + 1) * fresh) % items
        emerged = Mixture(dim, seed=1_000 + number, clusters=NEW)
        vectors[rows] = np.concatenate(list(emerged.vectors(len(rows))))
        ids = named(rows.tolist())
        stale.overwrite(ids, vectors[rows])
        begun = time.process_time()
        kept.overwrite(ids, vectors[rows])
        written = time.process_time()
        mended += _mended(kept)
        cpu["write"] += written - begun
        cpu["upkeep"] += time.process_time() - written
    queries = _between(vectors)
    anew = kept.copy()
    dial, begun = anew.dial, time.process_time()
    anew.rebuild(dial)
    cpu["rebuild"] = time.process_time() - begun
    recalls = {name: index.recall(queries, K) for name, index in (("stale", stale), ("mended", kept), ("anew", anew))}
    per_round = {f"{name}_cpu_s": cpu[name] / ROUNDS for name in ("write", "upkeep")}
    return {
        **recalls,
        **per_round,
        "rebuild_cpu_s": cpu["rebuild"],
        "lists_mended": mended,
        "nprobe": dial.nprobe,
        "lists": dial.lists,
    }


def _mended(index: FaissIndex) -> int:
    """One step of maintenance after another, until there is nothing left to mend; as many at most as there are lists."""
    total = 0
    for _ in range(index.dial.lists):
        mended = index.upkeep()
        total += mended
        if not mended:
            break
    return total


def _index(vectors: Vectors, tuning: Vectors) -> FaissIndex:
    index = FaissIndex(vectors.shape[1], "cosine", IndexPolicy(recall=RECALL, k=K, exact=2_000, copies=1))
    index.upsert(_batch(vectors))
    index.rebuild()
    index.tune(tuning)
    return index


def _batch(vectors: Vectors) -> EmbeddingBatch:
    ids = named(range(len(vectors)))
    return EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)}))


def _between(vectors: Vectors) -> Vectors:
    """Queries between two items each, of those that are there now."""
    random = np.random.default_rng(3)
    first, second = random.integers(0, len(vectors), (2, QUERIES))
    return blended(vectors[first], vectors[second])
