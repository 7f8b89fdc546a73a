"""How many threads FAISS has changes no list."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.index.faiss_cpu import FaissIndex
from ratoon.index.ivf.alone import alone
from ratoon.index.ivf.nearest import LISTS, MANY, Nearest
from tests.index.mixtures import mixture, unit

CENTROIDS = mixture(3, 200, dim=33).items(LISTS)
PLACES = np.random.default_rng(3).integers(0, LISTS, (2, MANY + 77))
BETWEEN = ((CENTROIDS[PLACES[0]] + CENTROIDS[PLACES[1]]) / 2).astype(np.float32)
"""Vectors as far from the one centroid as from the other, but for the last bit."""


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    yield
    faiss.omp_set_num_threads(before)


def by_threads(work: Callable[[], bytes]) -> set[str]:
    """Digests of what comes of it on one, two and three threads."""
    found = set()
    for count in (1, 2, 3):
        faiss.omp_set_num_threads(count)
        found.add(hashlib.sha256(work()).hexdigest())
    return found


def test_distances_depend_on_threads() -> None:
    """Without it they would: FAISS itself says other last bits with two threads than with one, of these very vectors."""
    flat = faiss.IndexFlatL2(CENTROIDS.shape[1])
    flat.add(CENTROIDS)
    assert len(by_threads(lambda: flat.search(BETWEEN, 1)[0].tobytes())) > 1


@pytest.mark.parametrize("count", [MANY - 100, MANY + 77])
def test_the_nearest_centroid_does_not(count: int) -> None:
    """What lies between two centroids goes to the same one, compared with all of them or with a group."""
    assert len(by_threads(lambda: Nearest(CENTROIDS).of(BETWEEN[:count]).tobytes())) == 1


def test_a_snapshot_does_not() -> None:
    """Filled, laid out anew, changed and mended: the same bytes."""
    made = mixture(5, 40, dim=24)
    vectors, more, queries = made.items(1_500), unit(made.items(200) + made.items(200)), made.queries(50)
    ids = [f"i{number}" for number in range(1_500)]
    columns = pa.table({"item_id": ids})

    def work() -> bytes:
        index = FaissIndex(24, "dot")
        index.upsert(EmbeddingBatch(tuple(ids), vectors, columns))
        index.rebuild(Dial(lists=60, nprobe=4, codec="sq8"), queries)
        index.upsert(EmbeddingBatch(tuple(ids[:200]), more, columns.slice(0, 200)))
        assert index.upkeep() > 0
        index.tune(queries)
        return b"".join(bytes(part) for _, part in sorted(index.snapshot().items()))

    assert len(by_threads(work)) == 1


def test_others_keep_their_threads() -> None:
    """Whoever called has as many threads afterwards as before, also where it failed, and other threads never notice."""
    faiss.omp_set_num_threads(2)

    @alone
    def counted(fails: bool = False) -> int:
        with ThreadPoolExecutor(1) as other:
            assert other.submit(faiss.omp_get_max_threads).result() == elsewhere
        if fails:
            raise ValueError
        return int(faiss.omp_get_max_threads())

    with ThreadPoolExecutor(1) as other:
        elsewhere = other.submit(faiss.omp_get_max_threads).result()
    assert counted() == 1
    with pytest.raises(ValueError, match=r"^$"):
        counted(fails=True)
    assert faiss.omp_get_max_threads() == 2
