"""Tests of tables from which only a batch's rows are computed."""

from dataclasses import replace

import pytest
import torch

from ratoon.domain.encoding import Encoding
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Files
from ratoon.training import TrainingSettings, TwoTowerTrainer
from ratoon.training.devices import CPU
from ratoon.training.hosting import CutOut, HostRows
from ratoon.training.model import Model, fresh
from tests.training.worlds import FULL, PATH, SCHEMA, SMALL, TITLE, catalogue, interactions, lesson, pathed, rows, titled

WIDE = TowerSchema(SCHEMA.project, (*SCHEMA.user, PATH), (*SCHEMA.item, TITLE))
USERS = {"user_id": torch.tensor([5, 2]), "recent_items": torch.tensor([[0, 0, 7, 3], [0, 0, 0, 0]])}
ITEMS = {"item_id": torch.tensor([3, 8]), "colour": torch.tensor([1, 1]), "item_events": torch.zeros(2, 2)}


def _model() -> Model:
    table, live = interactions(range(8), range(8), 200), catalogue(range(8))
    return fresh(SCHEMA, Encoding.of(SCHEMA, table, live), 3, SMALL, CPU)


def _cut(model: Model, moving: list[str]) -> CutOut:
    return CutOut(model, moving, HostRows(model, moving), SMALL, CPU)


@pytest.mark.parametrize("objective", ["softmax", "bce", "mse"])
def test_tables_on_the_host_teach_the_same(objective: str) -> None:
    """Full, rows and absorb end in the bytes that tables beside the layers end in."""
    metric = "cosine" if objective == "softmax" else "dot"
    plain = replace(SMALL, epochs=2, objective=objective, metric=metric, dropout=0.2, gradient_norm=1.0)  # type: ignore[arg-type]

    def life(settings: TrainingSettings) -> Files:
        trainer, plan = TwoTowerTrainer(settings, 7), rows(("i003", "i018"))
        table = titled(pathed(interactions(range(20), range(20), 300)))
        first = trainer.train(FULL, WIDE, None, lesson(table, titled(catalogue(range(20))), fit=table.slice(0, 70)))
        new = titled(pathed(interactions(range(15, 25), range(15, 24), 129, seed=1)))
        taught = lesson(new, titled(catalogue(range(24))), replay=table)
        return trainer.absorb(plan, trainer.train(plan, WIDE, first, taught), taught)

    assert life(replace(plain, tables="host")) == life(plain)


def test_codes_count_the_batchs_rows() -> None:
    """Each table's rows are those that the batch names and row 0, ascending; a code's row is the one it named, 0 stays 0."""
    sides = _cut(_model(), []).prepare(USERS, ITEMS)
    assert {name: found.tolist() for name, found in sides.rows.items()} == {
        "table.colour": [0, 1],
        "table.item_id": [0, 3, 7, 8],
        "table.user_id": [0, 2, 5],
    }
    assert sides.users["user_id"].tolist() == [2, 1]
    assert sides.users["recent_items"].tolist() == [[0, 0, 2, 1], [0, 0, 0, 0]]
    assert sides.items["item_id"].tolist() == [1, 3]
    assert torch.equal(sides.items["item_events"], ITEMS["item_events"])


def test_gradients_come_back_to_the_rows_that_were_named() -> None:
    """The host's tables get sparse gradients of the batch's rows, row 0 only where an id is unknown; still tables get none."""
    model = _model()
    compute = _cut(model, ["table.item_id", "table.user_id", "user.w1"])
    users, items = compute.vectors(compute.prepare(USERS, ITEMS))
    torch.autograd.backward((users @ items.T).sum())
    compute.return_gradients()
    named = {name: tensor.grad for name, tensor in compute.moving.items()}
    assert named["table.item_id"].coalesce().indices()[0].tolist() == [3, 7, 8]  # type: ignore[union-attr]
    assert named["table.user_id"].coalesce().indices()[0].tolist() == [2, 5]  # type: ignore[union-attr]
    assert named["user.w1"] is not None
    assert model.tensors["table.colour"].grad is None


def test_what_is_prepared_ahead_reads_no_weight() -> None:
    """Vectors of a batch that was prepared before a row moved are those of the moved row."""
    model = _model()
    compute = _cut(model, [])
    ahead = compute.prepare(USERS, ITEMS)
    model.tensors["table.item_id"][3] += 1.0
    for found, expected in zip(compute.vectors(ahead), compute.vectors(compute.prepare(USERS, ITEMS)), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_tables_on_the_host_leave_the_gpu_empty() -> None:
    """While a model is taught whose rows fill 256 MiB the GPU never holds a tenth of that."""
    schema = TowerSchema("wide", SCHEMA.user[:1], SCHEMA.item[:1])
    live = catalogue(range(4_000))
    settings = replace(SMALL, dim=16_384, epochs=1, device="cuda", tables="host", batch=16, negatives=16)
    torch.cuda.reset_peak_memory_stats()
    TwoTowerTrainer(settings, 7).train(FULL, schema, None, lesson(interactions(range(8), range(8), 50), live))
    assert torch.cuda.max_memory_allocated() < 25 * 2**20
