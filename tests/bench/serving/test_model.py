"""The towers of a world are real ones that pass a vector through."""

import numpy as np
import pyarrow as pa

from ratoon.bench.serving.crowd import Crowd
from ratoon.bench.serving.model import ASIDE, UNIT, WORTH, item_files, user_file
from ratoon.domain.popularity import WIDTH
from ratoon.towers import open_towers

ITEMS = 300


def user(taste: np.ndarray) -> pa.Table:
    return pa.table(
        {
            "taste": pa.array([taste.tolist()], pa.list_(pa.float32())),
            "age": [40.0],
            "country": ["country 3"],
            "recent_items": pa.array([["i1", "i2"]]),
        }
    )


def test_a_users_vector_is_their_taste() -> None:
    """In edition 0 to float32, with what popularity is worth at its end; every other edition turns it a little, its own way."""
    crowd = Crowd(ITEMS, 5)
    taste, shared = crowd.tastes()[2], item_files(crowd.vectors())
    found = [open_towers({**shared, **user_file(edition)}).users(user(taste))[0] for edition in range(3)]
    assert np.allclose(found[0][:-WIDTH], taste, atol=1e-6)
    assert np.allclose(found[0][-WIDTH:], np.array(WORTH) * UNIT)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert ASIDE / 4 < np.linalg.norm(found[one] - found[other]) < 3 * ASIDE


def test_an_items_vector_is_its_portrait() -> None:
    """Whatever else is known of it."""
    crowd = Crowd(ITEMS, 5)
    portrait = crowd.vectors()[7]
    rows = pa.table(
        {
            "portrait": pa.array([portrait.tolist()], pa.list_(pa.float32())),
            "item_id": ["new"],
            "category": ["category 1"],
            "price": [12.0],
        }
    )
    towers = open_towers({**item_files(crowd.vectors()), **user_file(0)})
    assert (towers.dim, towers.metric) == (64 + WIDTH, "dot")
    assert np.allclose(towers.items(rows)[0, :-WIDTH], portrait, atol=1e-6)


def test_the_layers_are_not_empty() -> None:
    """The hidden layer has weights: its product is computed, although the one after it is zero."""
    weights = open_towers({**item_files(Crowd(ITEMS, 5).vectors()), **user_file(0)}).weights
    assert weights.layers["user.w1"].std() > 0
    assert weights.layers["user.w1"].shape == (128, 65 + 2 + 16 + 128)
    assert not weights.layers["user.w2"].any()
    assert weights.tables["item_id"].shape == (ITEMS + 1, 64)
