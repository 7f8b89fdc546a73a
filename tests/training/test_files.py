"""Tests of a model as files."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load

from ratoon.domain.errors import DataError
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Files
from ratoon.training.files import dump, load_model
from tests.training.worlds import SCHEMA, SMALL

CPU = torch.device("cpu")


def test_loading_and_dumping_gives_the_same_bytes(parent: Files) -> None:
    """Nothing is lost or reordered on the way through memory."""
    assert dump(load_model(parent, SCHEMA, SMALL, CPU), SMALL) == parent


def test_item_vectors_need_one_file(parent: Files) -> None:
    """`item.safetensors` holds the item tower with its tables and the items' table; only the user's own are elsewhere."""
    assert sorted(parent) == ["encoding.json", "item.safetensors", "model.json", "schema.json", "user.safetensors"]
    layers = ["b1", "b2", "p", "w1", "w2"]
    assert sorted(load(parent["item.safetensors"])) == [*(f"item.{name}" for name in layers), "table.colour", "table.item_id"]
    assert sorted(load(parent["user.safetensors"])) == ["table.user_id", *(f"user.{name}" for name in layers)]


def test_the_manifest_says_how_to_read_it(parent: Files) -> None:
    """`model.json` carries length, metric, objective, temperature and the losses of each pass."""
    about = json.loads(parent["model.json"])
    assert (about["dim"], about["metric"], about["objective"], about["temperature"]) == (8, "cosine", "softmax", 0.1)
    assert len(about["losses"]["train"]) == SMALL.epochs
    assert about["losses"]["train"][-1] < about["losses"]["train"][0]


@pytest.mark.parametrize(
    ("settings", "schema", "message"),
    [
        (replace(SMALL, dim=9), SCHEMA, "parent model's dim: expected 9, found 8. Run a full refresh"),
        (replace(SMALL, metric="dot"), SCHEMA, "parent model's metric: expected dot, found cosine."),
        (SMALL, replace(SCHEMA, user=SCHEMA.user[:1]), "parent model's features: expected [0-9a-f]{64}, found [0-9a-f]{64}."),
    ],
)
def test_a_parent_of_another_shape_is_refused(parent: Files, settings: object, schema: TowerSchema, message: str) -> None:
    """Length, metric and features of a parent must be today's."""
    with pytest.raises(DataError, match=message):
        load_model(parent, schema, settings, CPU)  # type: ignore[arg-type]  # parametrised as object
