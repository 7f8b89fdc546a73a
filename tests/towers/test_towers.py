"""Tests of one release's towers."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from ratoon.domain.errors import StoreError
from ratoon.ports import Files
from ratoon.towers import open_towers, towers
from tests.towers.worlds import KNOWN_USERS, items, user_rows, users


@settings(deadline=None)
@given(st.lists(user_rows, min_size=2, max_size=5))
def test_a_batch_is_its_rows(files: Files, rows: list[dict[str, object]]) -> None:
    """Embedding rows together or one by one gives the same vectors."""
    opened = open_towers(files)
    together = opened.users(users(rows))
    alone = np.concatenate([opened.users(users([row])) for row in rows])
    assert np.allclose(together, alone, atol=1e-6)


def test_vectors_have_the_promised_shape(files: Files) -> None:
    """Float32, one row per row, none for none; length 1 for metric cosine."""
    opened = open_towers(files)
    vectors = opened.items(items(7))
    assert vectors.shape == (7, opened.dim)
    assert vectors.dtype == np.float32
    assert opened.users(KNOWN_USERS.slice(0, 0)).shape == (0, 8)
    if opened.metric == "cosine":
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_blocks_do_not_show(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """Working through a table in blocks gives what working through it at once gives."""
    whole = open_towers(files).items(items(9))
    monkeypatch.setattr(towers, "BLOCK", 4)
    assert np.allclose(open_towers(files).items(items(9)), whole, atol=1e-6)


def test_a_missing_file_is_named(files: Files) -> None:
    """Half a release cannot be opened."""
    some = {name: data for name, data in files.items() if "safetensors" not in name}
    with pytest.raises(StoreError, match=r"model files: .*, found no item.safetensors, user.safetensors. Load a whole release."):
        open_towers(some)


def test_opening_needs_neither_torch_nor_safetensors() -> None:
    """A process that imports the towers has imported no training library."""
    code = "import sys, ratoon.towers; print(sorted({'torch', 'safetensors', 'faiss', 'feast'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, check=True)
    assert found.stdout.decode().strip() == "[]"


def test_whole_numbers_need_their_scales(files: Files) -> None:
    """A file whose scales are lost is refused by name."""
    damaged = {**files, "item.safetensors": save({"table.item_id": np.zeros((6, 8), np.int8)})}
    with pytest.raises(StoreError, match="item.safetensors: expected a scale for each row of whole numbers, found"):
        open_towers(damaged)
