"""A snapshot as a release has it, and what is mapped from it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index import FaissIndexes
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.ports import Files

DIM = 8


def drawn(count: int, seed: int = 1) -> Vectors:
    """Random vectors, shape (count, DIM)."""
    return np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)


def batch(numbers: list[int], seed: int = 0) -> EmbeddingBatch:
    """These items with random vectors."""
    ids = [f"i{number}" for number in numbers]
    return EmbeddingBatch(tuple(ids), drawn(len(ids), seed), pa.table({"item_id": ids, "n": numbers}))


def released(count: int = 300, dial: Dial | None = None, seed: int = 0) -> Files:
    """The snapshot of so many items."""
    index = FaissIndex(DIM, "dot")
    index.upsert(batch(list(range(count)), seed))
    if dial is not None:
        index.rebuild(dial)
    return index.snapshot()


def mapped(files: Files, folder: Path, policy: IndexPolicy | None = None) -> FaissIndex:
    """What a server opens."""
    index: Any = FaissIndexes(policy, mapped=folder).shared().load(files)
    assert index.stats()["mode"] == "mapped"
    opened: FaissIndex = index
    return opened


def names(folder: Path) -> list[str]:
    """The files in a folder but the lock."""
    return sorted(file.name for file in folder.iterdir() if file.name != ".lock")
