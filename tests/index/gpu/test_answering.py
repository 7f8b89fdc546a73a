"""Answers are exact however roughly they were looked for, and the same whatever else was asked with them."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from ratoon.domain.dial import Codec
from ratoon.domain.embedding import Vectors
from ratoon.index.answers.found import Found
from ratoon.index.answers.scores import exact_scores
from ratoon.index.filters.matches import Matches
from ratoon.index.gpu import answering
from ratoon.index.gpu.answering import SPARE, Search, answered
from ratoon.index.gpu.looking import Field, Posed
from ratoon.index.gpu.matrix import Matrix
from ratoon.index.gpu.place import Place
from ratoon.index.items.names import Names
from ratoon.index.items.slots import Rows

PLACES = [
    pytest.param("cpu", id="cpu"),
    pytest.param(
        "cuda",
        id="cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
    ),
]


def filled(vectors: Vectors, codec: Codec = "fp16", device: str = "cpu") -> tuple[Matrix, Names]:
    place = Place(torch.device(device), lambda: 2**40, budget=2**20)
    matrix = Matrix(place, vectors.shape[1], codec)
    matrix.put(np.arange(len(vectors)), vectors)
    # Not in the order of slots.
    return matrix, Names(pa.array([f"{number * 7919 % len(vectors):06d}" for number in range(len(vectors))], pa.string()))


def search(queries: Vectors, k: int, gone: list[Rows] | None = None, only: Matches | None = None) -> Search:
    return Search(queries, k, gone or [np.empty(0, np.int64)] * len(queries), only)


def wanted(matrix: Matrix, names: Names, query: Vectors, k: int, allowed: Rows) -> Found:
    scores = exact_scores(query[None], matrix.vectors(allowed))[0]
    pairs = zip([names[slot] for slot in allowed.tolist()], scores.tolist(), strict=True)
    return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]


def near_ties(count: int, dim: int = 16) -> tuple[Vectors, Vectors]:
    """Queries that float16 rounds to ones, and vectors of the same numbers in other orders: then all score alike."""
    random = np.random.default_rng(5)
    queries = 1 + 2.0**-12 * random.random((6, dim))
    vectors = random.permuted(np.tile(np.arange(1, dim + 1) / 8, (count, 1)), axis=1)
    return queries.astype(np.float32), vectors.astype(np.float32)


@pytest.mark.parametrize("device", PLACES)
@pytest.mark.parametrize("codec", ["flat", "fp16"])
def test_near_ties_that_rounding_orders_wrongly_come_out_right(codec: Any, device: str) -> None:
    """Where more items than are fetched lie within the rounding of each other, the answer is the exact one all the same."""
    queries, vectors = near_ties(4_000)
    matrix, names = filled(vectors, codec, device)
    k, everything = 20, np.arange(4_000)
    (found,) = answered(matrix, names, [search(queries, k)])
    assert found == [wanted(matrix, names, query, k, everything) for query in queries]


def test_those_near_ties_are_ordered_wrongly_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bound the same queries get wrong answers: what the test above proves is not by chance."""
    queries, vectors = near_ties(4_000)
    matrix, names = filled(vectors)
    rough = Posed.of(Field.of(matrix), queries, [np.empty(0, np.int64)] * 6).best(20 + SPARE)[1]
    right = [wanted(matrix, names, query, 20, np.arange(4_000)) for query in queries]
    missed = [{item for item, _ in own} - {names[slot] for slot in rows} for own, rows in zip(right, rough.tolist(), strict=True)]
    assert all(missed)
    doubted: list[list[int]] = []

    def again(_posed: Posed, _names: Names, doubt: Rows, *_: object) -> list[Found]:
        doubted.append(doubt.tolist())
        return [[] for _ in doubt]

    monkeypatch.setattr(answering, "_again", again)
    assert answered(matrix, names, [search(queries, 20)]) == [[[]] * 6]
    assert doubted == [[0, 1, 2, 3, 4, 5]]


def test_nothing_is_looked_for_twice_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of vectors that lie as vectors do, and where all there is was fetched, one look is proof enough."""
    monkeypatch.delattr(answering, "_again")
    random = np.random.default_rng(2)
    vectors = random.standard_normal((5_000, 32)).astype(np.float32)
    matrix, names = filled(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    queries = random.standard_normal((40, 32)).astype(np.float32)
    (found,) = answered(matrix, names, [search(queries, 100)])
    assert found[3] == wanted(matrix, names, queries[3], 100, np.arange(5_000))
    few, names = filled(np.ones((60, 4), np.float32))
    (found,) = answered(few, names, [search(np.ones((1, 4), np.float32), 50)])
    assert [item for item, _ in found[0]] == [f"{number:06d}" for number in range(50)]


def test_all_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many equal items those with the smallest ids are found, of zeros too."""
    monkeypatch.setattr(answering, "TOGETHER", 2)
    for value in (0.0, 0.1):
        matrix, names = filled(np.full((3_000, 4), value, np.float32))
        queries = np.array([[1, 2, 3, 4], [0, 0, 0, 0], [1e-30, 0, 0, 0], [3e38, 0, 0, 0], [-1, 0, 0, 0]], np.float32)
        (found,) = answered(matrix, names, [search(queries, 7)])
        for own in found:
            assert [item for item, _ in own] == [f"{number:06d}" for number in range(7)]


@pytest.mark.parametrize("device", PLACES)
def test_together_as_alone(device: str) -> None:
    """Searches of any depth, filter and exclusions get together, bit for bit, what each gets alone and what is right."""
    random = np.random.default_rng(1)
    vectors = random.standard_normal((3_000, 8)).astype(np.float32)
    matrix, names = filled(vectors, "fp16", device)
    matrix.drop(np.arange(0, 3_000, 11))
    held = np.setdiff1d(np.arange(3_000), np.arange(0, 3_000, 11))
    few, many = (Matches.of(np.isin(np.arange(3_000), held[::step])) for step in (40, 2))
    searches, right = [], []
    for number, (k, only) in enumerate([(5, None), (100, None), (700, None), (5, few), (100, few), (20, many), (3_000, many)]):
        queries = random.standard_normal((number % 3 + 1, 8)).astype(np.float32)
        gone = [random.choice(3_000, 900 * (row % 2), replace=False) for row in range(len(queries))]
        searches.append(search(queries, k, gone, only))
        allowed = held if only is None else np.sort(only.all)
        right.append([wanted(matrix, names, q, k, np.setdiff1d(allowed, out)) for q, out in zip(queries, gone, strict=True)])
    found = answered(matrix, names, searches)
    assert found == right
    assert found == [answered(matrix, names, [one])[0] for one in searches]
