"""The vectors that the index is measured on: the same each time, and hard."""

from itertools import chain

import numpy as np
import pytest

from ratoon.bench.indexes import mixture
from ratoon.bench.indexes.mixture import ITEMS, JUDGED, MOVED, TUNING, Mixture
from ratoon.bench.indexes.worlds import named
from ratoon.domain.dial import Dial, IndexPolicy
from ratoon.domain.embedding import EmbeddingBatch, Vectors
from ratoon.index.faiss_cpu import FaissIndex
from tests.bench.indexes.vectors import batch


def drawn(count: int, stream: int = ITEMS, seed: int = 0) -> Vectors:
    return np.concatenate(list(Mixture(16, seed).vectors(count, stream)))


def test_the_same_arguments_give_the_same_vectors() -> None:
    """Whoever asks again gets the same bits, in any order of asking; another seed and another stream give others."""
    assert drawn(500).tobytes() == drawn(500).tobytes()
    one = Mixture(16)
    judged = one.queries(50)
    assert np.concatenate(list(one.vectors(500))).tobytes() == drawn(500).tobytes()
    assert one.queries(50).tobytes() == judged.tobytes()
    assert not np.array_equal(drawn(500), drawn(500, seed=1))
    assert not np.array_equal(drawn(500), drawn(500, MOVED))
    assert not np.array_equal(one.queries(50, TUNING), one.queries(50, JUDGED))


def test_a_chunk_is_all_that_is_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors come in chunks of a bounded size, the last of which is what is left."""
    monkeypatch.setattr(mixture, "CHUNK", 300)
    assert [part.shape for part in Mixture(16).vectors(700)] == [(300, 16), (300, 16), (100, 16)]


def test_vectors_are_of_length_one_and_fit_float16() -> None:
    """An index that keeps float16 keeps them whole, and one that wants normalised vectors takes them."""
    for vectors in (drawn(500), Mixture(16).queries(50)):
        assert vectors.dtype == np.float32
        assert np.array_equal(vectors, vectors.astype(np.float16).astype(np.float32))
        assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-3


def test_clusters_are_told() -> None:
    """Items of one cluster are nearer to each other than to the others, and clusters are of different sizes."""
    parts = list(Mixture(16).drawn(4_000))
    vectors, clusters = np.concatenate([part for part, _ in parts]), np.concatenate([own for _, own in parts])
    largest = np.bincount(clusters).argmax()
    own, rest = vectors[clusters == largest], vectors[clusters != largest]
    assert (own @ own.T).mean() > (own @ rest.T).mean() + 0.2
    assert np.bincount(clusters).max() > 5 * len(vectors) / mixture.CLUSTERS


def test_it_is_hard_to_index() -> None:
    """Queries lie between clusters: the two likeliest of 128 lists hold little of the exact answer, a quarter of them most."""
    vectors, queries = np.concatenate(list(Mixture(32).vectors(8_000))), Mixture(32).queries(100)
    recalls = {}
    for nprobe in (2, 32):
        index = FaissIndex(32, "cosine", IndexPolicy(copies=1))
        index.upsert(batch(vectors))
        index.rebuild(Dial(lists=128, codec="fp16", nprobe=nprobe))
        recalls[nprobe] = index.recall(queries, 100)
    assert recalls[2] < 0.7
    assert recalls[32] > 0.9


def test_ids_are_rows() -> None:
    """An item's id says its row."""
    assert named(range(9, 12)) == ("i9", "i10", "i11")
    assert isinstance(batch(drawn(3)), EmbeddingBatch)
    assert list(chain(batch(drawn(3)).ids)) == ["i0", "i1", "i2"]
