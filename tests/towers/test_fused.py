"""Towers with other sources beside them."""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.domain import fusion
from ratoon.domain.covisit import Covisits
from ratoon.domain.errors import StoreError
from ratoon.domain.fusion import COVISIT, TOWER, Fusion
from ratoon.domain.inputs import Inputs
from ratoon.domain.popularity import FILE, WIDTH, Popularity
from ratoon.ports import Files
from ratoon.towers import open_own, open_towers
from tests.towers.worlds import items, user_rows, users

WEIGHTS = {TOWER: (0.5, 1.0, 2.0), COVISIT: (0.0, 0.1, 0.3), "tower-2": (1.0, 1.0, 0.25)}
FACTORS = Covisits(
    {f"i{number}": number for number in range(4)},
    np.arange(12, dtype=np.float32).reshape(4, 3),
    np.arange(12, dtype=np.float32).reshape(4, 3)[::-1].copy(),
)


def fused(files: Files) -> dict[str, bytes]:
    """A model with traits, what is had together, and itself as another member."""
    own = {**files, FILE: Popularity(0.1).to_json().encode()}
    beside = {**fusion.named(COVISIT, FACTORS.to_files()), **fusion.named("tower-2", files)}
    return {**own, fusion.FILE: Fusion("recent", (1, 3), WEIGHTS).to_json().encode(), **beside}


@settings(deadline=None, max_examples=20)
@given(st.lists(user_rows, min_size=1, max_size=4))
def test_one_user_is_a_row_of_many(files: Files, rows: list[dict[str, object]]) -> None:
    """A user's vector by values is that by table: each block weighed by how long the history is, and what traits are worth."""
    towers, own, worth = open_towers(fused(files)), open_own(files), np.arange(1, WIDTH + 1, dtype=np.float32)
    towers = towers.weighed(worth)
    table = users(rows)
    many = towers.users(table)
    ends = list(accumulate([own.dim, 3, own.dim]))
    for row, values, vector in zip(range(len(rows)), table.to_pylist(), many, strict=True):
        given_values = {name: value for name, value in values.items() if value is not None}
        assert np.allclose(towers.user(given_values)[0], vector, atol=1e-5)
        length = len(values["recent"] or ())
        segment = 0 if length < 1 else 1 if length < 3 else 2
        alone = own.users(table.slice(row, 1))[0]
        assert np.allclose(vector[: ends[0]], WEIGHTS[TOWER][segment] * alone, atol=1e-5)
        assert np.allclose(vector[ends[1] : ends[2]], WEIGHTS["tower-2"][segment] * alone, atol=1e-5)
        known = [FACTORS.rows[item] for item in values["recent"] or () if item in FACTORS.rows]
        assert np.allclose(vector[ends[0] : ends[1]], WEIGHTS[COVISIT][segment] * FACTORS.told(known)[0], atol=1e-5)
        assert np.array_equal(vector[ends[2] :], worth)


def test_items_that_were_not_counted_have_zeros_there(files: Files) -> None:
    """An item's vector is its own, then its row of what is had together or zeros, then the other member's, then blank traits."""
    towers, own, table = open_towers(fused(files)), open_own(files), items(6)
    vectors = towers.items(table)
    assert vectors.shape == (6, towers.dim) == (6, 2 * own.dim + 3 + WIDTH)
    assert towers.metric == "dot"
    alone = own.items(table)
    assert np.allclose(vectors[:, : own.dim], alone)
    assert np.allclose(vectors[:, own.dim + 3 : -WIDTH], alone)
    for item, row in zip(table.column("item_id").to_pylist(), vectors[:, own.dim : own.dim + 3], strict=True):
        assert np.array_equal(row, FACTORS.offered[FACTORS.rows[item]] if item in FACTORS.rows else np.zeros(3))
    assert not vectors[:, -WIDTH:].any()


def test_a_vector_is_kept_with_the_inputs_it_was_made_of(files: Files) -> None:
    """Inputs that are handed out again keep these towers' vector, and are asked anew by towers with other weights."""
    towers, inputs = open_towers(fused(files)), Inputs({"recent": ["i1"], "user_id": "u1"})
    first = towers.user(inputs)
    assert towers.user(inputs) is first
    assert not np.array_equal(towers.weighed(np.full(WIDTH, 9, np.float32)).user(inputs), first)


def test_a_block_without_its_files_is_refused(files: Files) -> None:
    """A release that says it has a source and lacks its file cannot be opened."""
    lacking = {name: data for name, data in fused(files).items() if "heard" not in name}
    with pytest.raises(StoreError, match="what is had together"):
        open_towers(lacking)
