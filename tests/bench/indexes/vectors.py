"""Small vectors for the tests of the bench."""

import numpy as np
import pyarrow as pa

from ratoon.bench.indexes.mixture import Mixture
from ratoon.bench.indexes.worlds import named
from ratoon.domain.dial import IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex

DIM = 16


def drawn(count: int) -> Vectors:
    return np.concatenate(list(Mixture(DIM).vectors(count)))


def batch(vectors: Vectors) -> EmbeddingBatch:
    ids = named(range(len(vectors)))
    return EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)}))


def index_of(vectors: Vectors) -> FaissIndex:
    """In lists, two copies of them."""
    index = FaissIndex(vectors.shape[1], "cosine", IndexPolicy(exact=100, k=10))
    index.upsert(batch(vectors))
    index.rebuild(queries=Mixture(vectors.shape[1]).queries(50))
    return index
