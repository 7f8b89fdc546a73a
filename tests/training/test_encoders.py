"""What texts and attention learn, on worlds whose right answer is known."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load

from ratoon.domain.schema import Feature, TowerSchema
from ratoon.ports import Files
from ratoon.towers import open_towers
from ratoon.training import TwoTowerTrainer
from tests.training.worlds import (
    FULL,
    PATH,
    SCHEMA,
    SMALL,
    TITLE,
    catalogue,
    colour_of,
    interactions,
    lesson,
    pathed,
    rows,
    titled,
)

SPOKEN = TowerSchema("words", (*SCHEMA.user, PATH), (SCHEMA.item[0], TITLE))
TRAINER = TwoTowerTrainer(SMALL, seed=7)


@pytest.fixture(scope="module")
def spoken() -> Files:
    """A model whose items have an id and a title, and whose users have a path as well."""
    table = titled(pathed(interactions(range(20), range(20), 2000)))
    return TRAINER.train(FULL, SPOKEN, None, lesson(table, titled(catalogue(range(20)))))


def _users() -> pa.Table:
    recent = pa.array([["i002", "i004"], ["i003", "i001"]], pa.list_(pa.string()))
    return pa.table({"user_id": ["nobody", "nobody else"], "recent_items": recent, "path": recent})


def test_an_item_never_trained_on_is_placed_by_its_words(spoken: Files) -> None:
    """Ids never met: the colour in a new item's title is enough to put it before the others."""
    new = titled(catalogue(range(100, 140)))
    new = new.filter(pa.compute.is_valid(new.column("title")))
    towers = open_towers(spoken)
    best = np.argsort(-towers.users(_users()) @ towers.items(new).T, axis=1)[:, :16]
    ids = new.column("item_id").to_pylist()
    found = np.array([[colour_of(ids[item]) for item in row] for row in best])
    assert (found == [["black"], ["white"]]).mean() > 0.9


def test_a_missing_title_is_not_an_empty_one(spoken: Files) -> None:
    """Two items alike but for a title that is null or empty have different vectors."""
    two = pa.table({"item_id": ["x", "y"], "title": pa.array([None, ""], pa.string())})
    vectors = open_towers(spoken).items(two)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_rows_hold_words_still_and_move_attention(spoken: Files) -> None:
    """After a rows refresh with new items, words and unwritable items have their bits; queries, keys and positions moved."""
    table = titled(pathed(interactions(range(10), range(24), 300, seed=3)))
    moved = TRAINER.train(rows(("i004",)), SPOKEN, spoken, lesson(table, titled(catalogue(range(24))), replay=table))
    before, after = (load(files["item.safetensors"]) | load(files["user.safetensors"]) for files in (spoken, moved))
    assert all(torch.equal(after[name], before[name]) for name in before if name.startswith("item.") or name == "table.title")
    assert not any(torch.equal(after[f"user.path.{name}"], before[f"user.path.{name}"]) for name in ("query", "key", "position"))
    untouched = titled(catalogue(range(20))).filter(pa.array([n != 4 for n in range(20)]))
    assert np.array_equal(open_towers(spoken).items(untouched), open_towers(moved).items(untouched))


def _third_from_last(count: int, seed: int) -> tuple[pa.Table, np.ndarray]:
    """Paths of six random items, each followed by an item of the third newest one's colour; and that colour."""
    source = np.random.default_rng(seed)
    path = source.integers(20, size=(count, 6))
    colour = path[:, -3] % 2
    taken = source.integers(10, size=count) * 2 + colour
    ids = np.array([f"i{number:03d}" for number in range(20)])
    columns = {"item_id": pa.array(ids[taken]), "path": pa.array(ids[path].tolist()), "value": pa.array([1.0] * count)}
    return pa.table(columns), colour


def test_attention_learns_where_to_look() -> None:
    """Only the third newest item tells what is taken next, which neither the mean nor the newest item says."""
    table, _ = _third_from_last(2000, seed=0)
    schema = TowerSchema("p", (Feature("path", "v", "user", "attention", "item_id", 6),), SCHEMA.item[:1])
    files = TRAINER.train(FULL, schema, None, lesson(table, catalogue(range(20))))
    towers = open_towers(files)
    unseen, colour = _third_from_last(200, seed=1)
    best = np.argsort(-towers.users(unseen) @ towers.items(catalogue(range(20))).T, axis=1)[:, :10]
    assert (best % 2 == colour[:, None]).mean() > 0.9
