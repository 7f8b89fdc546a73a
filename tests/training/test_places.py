"""One behaviour wherever a model is computed: processor or GPU, tables beside it or on the host, more bits or fewer."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load

from ratoon.domain.encoding import Encoding
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Files
from ratoon.towers import open_towers
from ratoon.training import TrainingSettings, TwoTowerTrainer
from ratoon.training.optimisers import DenseAdam
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
    users_table,
)

GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
WIDE = TowerSchema(SCHEMA.project, (*SCHEMA.user, PATH), (*SCHEMA.item, TITLE))
WAYS = {
    "plain": SMALL,
    "host": replace(SMALL, tables="host"),
    "bfloat16": replace(SMALL, precision="bfloat16"),
    "bfloat16-host": replace(SMALL, precision="bfloat16", tables="host"),
}


def _table(users: range, items: range, count: int, seed: int = 0) -> pa.Table:
    return titled(pathed(interactions(users, items, count, seed=seed)))


def _items(numbers: range) -> pa.Table:
    return titled(catalogue(numbers))


def _right_colour(files: Files, users: range, items: range) -> float:
    """The share of each user's best ten items that has the user's colour."""
    towers = open_towers(files)
    known = pathed(users_table([f"u{n:03d}" for n in users], [[] for _ in users]))
    best = np.argsort(-towers.users(known) @ towers.items(_items(items)).T, axis=1)[:, :10]
    colours = np.array([colour_of(item) for item in catalogue(items).column("item_id").to_pylist()])
    return float((colours[best] == np.array([("black", "white")[n % 2] for n in users])[:, None]).mean())


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param(replace(way, device="cpu"), id=f"cpu-{name}") for name, way in WAYS.items()),
        *(pytest.param(replace(way, device="cuda"), id=f"cuda-{name}", marks=GPU) for name, way in WAYS.items()),
    ],
)
def place(request: pytest.FixtureRequest) -> tuple[TrainingSettings, Files]:
    """A way to compute, and a model that has learnt a checkerboard of 20 users and 20 items that way."""
    settings: TrainingSettings = request.param
    table = _table(range(20), range(20), 1000)
    taught = lesson(table, _items(range(20)), fit=table.slice(0, 100))
    return settings, TwoTowerTrainer(settings, 7).train(FULL, WIDE, None, taught)


def test_a_full_training_learns(place: tuple[TrainingSettings, Files]) -> None:
    """Each user's best ten items are those of their colour, but for one in fifty: in bfloat16 no fewer than in float32."""
    _, files = place
    assert _right_colour(files, range(20), range(20)) >= 0.98


def test_a_rows_refresh_learns_and_holds_still(place: tuple[TrainingSettings, Files]) -> None:
    """New users and items are learnt; of the parent's items' rows and vectors those that may not move keep every bit."""
    settings, parent = place
    new, replay = _table(range(20, 30), range(20, 30), 500, seed=1), _table(range(20), range(20), 500, seed=2)
    taught = lesson(new, _items(range(30)), replay=replay)
    moved = TwoTowerTrainer(replace(settings, passes=4), 7).train(rows(("i004",)), WIDE, parent, taught)
    assert _right_colour(moved, range(30), range(30)) >= 0.9
    before, after = (load(files["item.safetensors"]) for files in (parent, moved))
    place_of = Encoding.from_json(parent["encoding.json"].decode()).vocabularies["item_id"].values.index("i004") + 1
    still = [row for row in range(21) if row != place_of]
    assert torch.equal(after["table.item_id"][still], before["table.item_id"][still])
    assert not torch.equal(after["table.item_id"][place_of], before["table.item_id"][place_of])
    assert all(torch.equal(after[name], before[name]) for name in before if name != "table.item_id")
    untouched = _items(range(20)).filter(pa.array([n != 4 for n in range(20)]))
    assert np.array_equal(open_towers(parent).items(untouched), open_towers(moved).items(untouched))


def test_a_dense_refresh_moves_the_layers(place: tuple[TrainingSettings, Files]) -> None:
    """The new board is learnt too, and the item tower's layers have moved."""
    settings, parent = place
    new, replay = _table(range(20, 30), range(20, 30), 500, seed=1), _table(range(20), range(20), 500, seed=2)
    taught = lesson(new, _items(range(30)), replay=replay)
    moved = TwoTowerTrainer(replace(settings, passes=4), 7).train(RefreshPlan("dense", "a test"), WIDE, parent, taught)
    assert _right_colour(moved, range(30), range(30)) >= 0.9
    before, after = (load(files["item.safetensors"]) for files in (parent, moved))
    assert not any(torch.equal(after[name], before[name]) for name in ("item.w1", "item.w2", "item.p"))


def test_the_same_place_gives_the_same_bytes(place: tuple[TrainingSettings, Files]) -> None:
    """Two trainings with one seed end in equal files, and these are float32."""
    settings, parent = place
    taught = lesson(_table(range(10), range(20), 200, seed=3), _items(range(20)))
    first, second = (TwoTowerTrainer(settings, 7).train(rows(("i004",)), WIDE, parent, taught) for _ in range(2))
    assert first == second
    assert {tensor.dtype for tensor in load(first["user.safetensors"]).values()} == {torch.float32}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_fused_optimiser_moves_layers_as_the_processor_does() -> None:
    """Ten steps of one kernel for all layers end within float32's precision of the processor's."""
    source = torch.Generator().manual_seed(5)
    gradients = [{name: torch.randn(shape, generator=source) for name, shape in (("w", (4, 3)), ("b", (4,)))} for _ in range(10)]
    ended = []
    for device in ("cpu", "cuda"):
        tensors = {name: torch.ones_like(tensor, device=device) for name, tensor in gradients[0].items()}
        adam = DenseAdam(tensors, 0.01, 0.1)
        for step in gradients:
            for name, tensor in tensors.items():
                tensor.grad = step[name].to(device)
            adam.step()
        ended.append({name: tensor.cpu() for name, tensor in tensors.items()})
    for name, tensor in ended[0].items():
        torch.testing.assert_close(ended[1][name], tensor, rtol=1e-5, atol=1e-6)
