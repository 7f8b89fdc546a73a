"""The towers in NumPy against the towers in torch."""

import numpy as np
import pyarrow as pa
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from ratoon.domain.schema import Entity
from ratoon.ports import Files
from ratoon.towers import open_own, open_towers
from ratoon.training.forward import embed
from tests.towers.worlds import items, user_rows, users


def _in_torch(files: Files, side: Entity, table: pa.Table) -> torch.Tensor:
    towers = open_own(files)
    features = towers.schema.user if side == "user" else towers.schema.item
    inputs = {name: torch.tensor(column) for name, column in towers.encoding.encode(features, table).items()}
    return embed(side, features, inputs, load(files["item.safetensors"]) | load(files["user.safetensors"]), towers.metric)


@settings(deadline=None)
@given(st.lists(user_rows, min_size=1, max_size=5))
def test_user_vectors_are_the_same_in_both(files: Files, rows: list[dict[str, object]]) -> None:
    """Whatever the row, known or not, complete or not, NumPy and torch agree to 1e-5."""
    table = users(rows)
    assert np.allclose(open_towers(files).users(table), _in_torch(files, "user", table).numpy(), atol=1e-5)


def test_item_vectors_are_the_same_in_both(files: Files) -> None:
    """Known and unknown items, with and without genres, titles and neighbours."""
    assert np.allclose(open_towers(files).items(items(9)), _in_torch(files, "item", items(9)).numpy(), atol=1e-5)


def test_scores_of_any_size_are_the_same_in_both(files: Files) -> None:
    """Attention whose scores are in the thousands overflows in neither."""
    strong = {name: data for name, data in files.items() if "safetensors" not in name}
    for name in ("item.safetensors", "user.safetensors"):
        tensors = load(files[name])
        strong[name] = save({key: tensor * (1e3 if key.endswith((".query", ".key")) else 1) for key, tensor in tensors.items()})
    table = users([{"path": path} for path in (["i0", "i1", "i2"], ["i3"], [], None)])
    found = open_towers(strong).users(table)
    assert np.isfinite(found).all()
    assert np.allclose(found, _in_torch(strong, "user", table).numpy(), atol=1e-5)
