"""Tests of a model's tensors and how they grow."""

from dataclasses import replace

import torch

from ratoon.domain.encoding import Encoding
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.training.model import Model, fresh
from ratoon.training.settings import TrainingSettings
from tests.training.worlds import PATH, SCHEMA, SMALL, TITLE, catalogue, interactions, pathed, titled

CPU = torch.device("cpu")


def _model(seed: int = 0, settings: TrainingSettings = SMALL) -> Model:
    table = interactions(range(4), range(4), 50)
    return fresh(SCHEMA, Encoding.of(SCHEMA, table, catalogue(range(4))), seed, settings, CPU)


def test_widths_follow_what_a_row_stands_for() -> None:
    """Ids and histories have rows of `dim`, categories of `small`; layers fit what is joined."""
    shapes = {name: tuple(tensor.shape) for name, tensor in _model().tensors.items()}
    assert shapes["table.item_id"] == (5, 8)
    assert shapes["table.user_id"] == (5, 8)
    assert shapes["table.colour"] == (3, 4)
    assert shapes["user.w1"] == (16, 8 + 2 * 8)
    assert shapes["item.w1"] == (16, 8 + 4 + 2)
    assert shapes["item.p"] == (8, 8 + 4 + 2)


def test_vectors_enter_with_their_presence() -> None:
    """A vector of 3 floats is 4 numbers wide, its presence being the last."""
    schema = TowerSchema(
        "p", (Feature("taste", "v", "user", "vector", dim=3),), (Feature("item_id", "", "item", "id", "item_id"),)
    )
    encoding = Encoding().grown(SCHEMA.item[:1], catalogue(range(2)))
    assert fresh(schema, encoding, 0, SMALL, CPU).tensors["user.w1"].shape == (16, 4)


def test_texts_and_attention_have_tensors_of_their_own() -> None:
    """A text's table has all its rows from the start and never grows; attention is square, and its positions start at zero."""
    schema = replace(SCHEMA, user=(*SCHEMA.user, PATH), item=(*SCHEMA.item, TITLE))
    table, live = pathed(interactions(range(4), range(4), 50)), titled(catalogue(range(4)))
    model = fresh(schema, Encoding.of(schema, table, live), 0, SMALL, CPU)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.tensors.items()}
    assert shapes["table.title"] == (201, 4)
    assert shapes["item.w1"] == (16, 8 + 4 + 2 + 5)
    assert shapes["user.w1"] == (16, 8 + 2 * 8 + 2 * 8)
    assert (shapes["user.path.query"], shapes["user.path.key"], shapes["user.path.position"]) == ((8, 8), (8, 8), (4, 8))
    assert not model.tensors["user.path.position"].any()
    assert not torch.equal(model.tensors["user.path.query"], model.tensors["user.path.key"])
    assert "title" not in model.encoding.vocabularies
    words = model.tensors["table.title"]
    grown = model.encoding.grown(schema.item, titled(catalogue(range(30))))
    assert model.grow(grown, 0, SMALL)["table.title"] == 201
    assert torch.equal(model.tensors["table.title"], words)


def test_tower_of_one_id_has_no_layers() -> None:
    """Plain matrix factorisation is the same model without layers."""
    schema = TowerSchema("p", SCHEMA.user[:1], SCHEMA.item[:1])
    model = fresh(schema, Encoding.of(schema, interactions(range(4), range(4), 50), catalogue(range(4))), 0, SMALL, CPU)
    assert sorted(model.tensors) == ["table.item_id", "table.user_id"]


def test_only_the_seed_decides_the_start() -> None:
    """The same seed starts from the same tensors; another seed from others."""
    one, same, other = _model(1), _model(1), _model(2)
    assert all(torch.equal(one.tensors[name], same.tensors[name]) for name in one.tensors)
    assert not any(torch.equal(one.tensors[name], other.tensors[name]) for name in one.tensors)


def test_growing_keeps_old_rows_and_starts_ids_as_unknown() -> None:
    """Old rows stay where they were, to the bit; a new id's row lies near row 0 and is not equal to another's."""
    model = _model()
    model.tensors["table.item_id"][0] = 5.0
    before = {name: tensor.clone() for name, tensor in model.tensors.items()}
    first = model.grow(model.encoding.grown(SCHEMA.item, catalogue(range(8))), 0, SMALL)
    table = model.tensors["table.item_id"]
    assert first == {"table.colour": 3, "table.item_id": 5, "table.user_id": 5}
    assert all(torch.equal(model.tensors[name][: len(tensor)], tensor) for name, tensor in before.items())
    assert (table[5:] - 5.0).abs().max() < 0.5
    assert len(table[5:].unique(dim=0)) == 4


def test_growing_keeps_the_width_a_model_was_built_with() -> None:
    """Another `small` in the settings cannot break an existing table: new rows are as wide as the old ones."""
    model = _model()
    table = interactions(range(4), range(4), 5)
    renamed = table.set_column(table.column_names.index("colour"), "colour", table.column("item_id"))
    model.grow(model.encoding.grown(SCHEMA.item, renamed), 0, replace(SMALL, small=9))
    assert model.tensors["table.colour"].shape[1] == 4
