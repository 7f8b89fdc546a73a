"""Rough scores: how far off they may be, and that the best by them are found block by block."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain.dial import Codec
from ratoon.domain.embedding import Vectors
from ratoon.index.gpu.looking import GROUP, Field, Posed, _top
from ratoon.index.gpu.matrix import Matrix
from ratoon.index.gpu.place import Place
from ratoon.index.items.slots import Rows

SMALL = Place(torch.device("cpu"), lambda: 2**40, budget=4 * 64 * GROUP)
"""A few rows of scores at once, so that every search goes over many blocks."""


def filled(vectors: Vectors, codec: Codec) -> Matrix:
    matrix = Matrix(SMALL, vectors.shape[1], codec)
    matrix.put(np.arange(len(vectors)), vectors)
    return matrix


def nobody(count: int) -> list[Rows]:
    return [np.empty(0, np.int64)] * count


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**32 - 1),
    dim=st.sampled_from([1, 7, 64]),
    codec=st.sampled_from(["flat", "fp16"]),
    power=st.integers(-100, 100),
    spread=st.sampled_from([1.0, 1e-6, 2e4]),
)
def test_no_score_is_further_off_than_said(seed: int, dim: int, codec: Codec, power: int, spread: float) -> None:
    """Whatever the size of queries and vectors, a rough score lies within `slack` of the exact one of the stored vectors."""
    random = np.random.default_rng(seed)
    vectors = (random.standard_normal((200, dim)) * spread).clip(-60_000, 60_000).astype(np.float32)
    queries = np.ldexp(random.standard_normal((5, dim)), power).astype(np.float32)
    queries[0, 1:] *= np.float32(2.0**-20)  # most of it lies far below its largest number
    matrix = filled(vectors, codec)
    posed = Posed.of(Field.of(matrix), queries, nobody(5))
    rough, rows = posed.best(200)
    stored = matrix.vectors(np.arange(200)).astype(np.float64)
    exact = (queries.astype(np.float64) * posed.scale[:, None]) @ stored.T
    off = np.abs(rough - np.take_along_axis(exact, rows, 1))
    assert (off <= posed.slack[:, None]).all()
    assert (np.sort(rows, axis=1) == np.arange(200)).all()


def test_the_bound_is_not_far_from_what_rounding_does() -> None:
    """Of unit vectors of 128 numbers the bound is under a thousandth, and rounding alone makes up a twentieth of it."""
    random = np.random.default_rng(0)
    vectors, queries = (random.standard_normal((count, 128)) for count in (2_000, 50))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    matrix = filled(vectors.astype(np.float32), "fp16")
    posed = Posed.of(Field.of(matrix), queries.astype(np.float32), nobody(50))
    rough, rows = posed.best(2_000)
    exact = (queries.astype(np.float32).astype(np.float64) * posed.scale[:, None]) @ matrix.vectors(np.arange(2_000)).T
    assert (posed.slack / posed.scale).max() < 1e-3
    assert np.abs(rough - np.take_along_axis(exact, rows, 1)).max() > posed.slack.max() / 20


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), width=st.integers(1, 700), depth=st.integers(1, 12), values=st.integers(1, 40))
def test_the_best_of_groups_are_the_best(seed: int, width: int, depth: int, values: int) -> None:
    """By way of groups the same scores come out as by ranking all, each from where it is said to be, and none twice."""
    random = np.random.default_rng(seed)
    scores = torch.from_numpy(random.integers(0, values, (3, width)).astype(np.float32))
    scores[0, : width // 2] = -torch.inf
    top, places = _top(scores, depth)
    assert torch.equal(top, scores.topk(min(depth, width), dim=1).values)
    assert torch.equal(scores.gather(1, places), top)
    assert all(len(set(row)) == len(row) for row in places.tolist())


@pytest.mark.parametrize("narrow", [False, True])
def test_what_is_hidden_shut_or_not_open_is_not_found(narrow: bool) -> None:
    """A query's own exclusions are hidden from it alone; empty slots, and those that do not match, from all."""
    vectors = np.arange(1, 3_001, dtype=np.float32)[:, None]
    matrix = filled(vectors, "flat")
    matrix.drop(np.array([2_999, 5]))
    matching = np.setdiff1d(np.arange(2_900, 3_000), [2_999, 2_950])
    bits = np.packbits(np.isin(np.arange(2_999), matching), bitorder="little")
    field = Field.of(matrix, slots=matching) if narrow else Field.of(matrix, bits=bits)
    posed = Posed.of(field, np.ones((2, 1), np.float32), [np.array([2_998, 7, 2_950]), np.empty(0, np.int64)])
    scores, rows = posed.best(3)
    assert field.named(rows[0]).tolist() == [2_997, 2_996, 2_995]
    assert field.named(rows[1]).tolist() == [2_998, 2_997, 2_996]
    assert (posed.best(98)[0] > -np.inf).sum(axis=1).tolist() == [97, 98]
    places, reached = posed.reaching(np.array([1]), np.array([2_990.0]))
    assert (set(places.tolist()), sorted(field.named(reached).tolist())) == ({0}, list(range(2_989, 2_999)))
    unfiltered = Posed.of(Field.of(matrix), np.ones((1, 1), np.float32), [np.array([2_998])])
    assert scores.dtype == np.float32
    assert unfiltered.best(1)[1].tolist() == [[2_997]]
    assert (unfiltered.best(3_000)[0] > -np.inf).sum() == 2_997
