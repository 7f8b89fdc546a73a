"""What the seed articles teach, learnt by the product's own towers: matrix factorisation, and the click model."""

import json
from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.ports import Files, Lesson
from ratoon.towers import open_towers
from ratoon.training import TrainingSettings, TwoTowerTrainer

FULL = RefreshPlan("full", "a seed")
USER = Feature("user_id", "", "user", "id", "user_id")
ITEM = Feature("item_id", "", "item", "id", "item_id")
RATINGS = np.array([[5, 3, 0, 1], [4, 0, 0, 1], [1, 1, 0, 5], [0, 1, 5, 4]])
"""The articles' example: four users, four items, 0 = not rated."""


def _lesson(table: pa.Table, catalogue: pa.Table) -> Lesson:
    return Lesson(table, table.slice(0, 0), table.slice(0, 0), catalogue)


def _train_losses(files: Files) -> list[float]:
    found: list[float] = json.loads(files["model.json"])["losses"]["train"]
    return found


def test_matrix_factorisation_of_the_four_by_four_example() -> None:
    """Two ids-only towers and squared error: the loss falls, and each user's known items are ranked as that user rated them."""
    users, items = (index.astype(str) for index in np.nonzero(RATINGS))
    known = pa.table(
        {"user_id": pa.array(users), "item_id": pa.array(items), "value": pa.array(RATINGS[RATINGS > 0], pa.float32())}
    )
    ids = [str(number) for number in range(4)]
    settings = TrainingSettings(dim=2, objective="mse", metric="dot", epochs=400, lr_rows=0.05, id_dropout=0.0)
    schema = TowerSchema("seeds", (USER,), (ITEM,))
    files = TwoTowerTrainer(settings, seed=0).train(FULL, schema, None, _lesson(known, pa.table({"item_id": pa.array(ids)})))
    losses = _train_losses(files)
    assert losses[-1] < 0.05 < 5 < losses[0]
    towers = open_towers(files)
    predicted = towers.users(pa.table({"user_id": pa.array(ids)})) @ towers.items(pa.table({"item_id": pa.array(ids)})).T
    for guess, rated in zip(predicted, RATINGS, strict=True):
        better = rated[:, None] > np.where(rated > 0, rated, np.inf)[None, :]
        assert (guess[:, None] > guess[None, :])[better].all()


class ClickWorld:
    """Users and items have a hidden taste each; the closer they are, the likelier is a click. Features show the tastes."""

    schema = TowerSchema(
        "seeds", (USER, Feature("likes", "v", "user", "vector", dim=4)), (ITEM, Feature("is", "v", "item", "vector", dim=4))
    )

    def __init__(self) -> None:
        self._source = np.random.default_rng(0)
        self._users, self._items = self._source.normal(size=(100, 4)), self._source.normal(size=(50, 4))
        self.catalogue = pa.table({"item_id": pa.array([str(n) for n in range(50)]), "is": _vectors(self._items)})

    def shown(self, count: int) -> pa.Table:
        """`count` items shown to users, and whether they were clicked."""
        users, items = self._source.integers(100, size=count), self._source.integers(50, size=count)
        chance = 1 / (1 + np.exp(-2 * (self._users[users] * self._items[items]).sum(axis=1)))
        return pa.table(
            {
                "user_id": pa.array(users.astype(str)),
                "likes": _vectors(self._users[users]),
                "item_id": pa.array(items.astype(str)),
                "is": _vectors(self._items[items]),
                "value": pa.array(self._source.random(count) < chance).cast(pa.float32()),
            }
        )


def _vectors(values: np.ndarray) -> pa.Array:
    return pa.array(values.tolist(), pa.list_(pa.float32()))


def _auc(scores: np.ndarray, clicked: np.ndarray) -> float:
    """The chance that a clicked pair outscores one that was not (Mann-Whitney)."""
    return float((scores[clicked][:, None] > scores[~clicked][None, :]).mean())


@pytest.mark.parametrize("optimiser", ["adamw", "adam"])
def test_the_click_model_tells_clicked_from_not_clicked(optimiser: Literal["adam", "adamw"]) -> None:
    """Binary cross-entropy: the loss falls, and on pairs never trained on the clicked ones outscore the others."""
    world = ClickWorld()
    settings = TrainingSettings(
        dim=8, hidden=16, objective="bce", metric="dot", epochs=8, batch=128, negatives=16, lr_dense=3e-3, optimiser=optimiser
    )
    files = TwoTowerTrainer(settings, seed=0).train(FULL, world.schema, None, _lesson(world.shown(4000), world.catalogue))
    losses = _train_losses(files)
    assert losses[-1] < losses[0] - 0.1
    towers, unseen = open_towers(files), world.shown(1500)
    scores = (towers.users(unseen) * towers.items(unseen)).sum(axis=1)
    assert _auc(scores, unseen.column("value").to_numpy() > 0) > 0.8
