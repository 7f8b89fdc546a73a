"""The user tower for one user at a time, against the reference for any number of them."""

from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from safetensors.torch import load

from ratoon.domain.inputs import Inputs
from ratoon.ports import Files
from ratoon.towers import open_own, open_towers
from ratoon.training.forward import embed
from tests.towers.worlds import user_rows, users


def _values(row: dict[str, object]) -> dict[str, object]:
    """A row as a store gives it: without what is missing, times with their zone."""
    return {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
        for name, value in row.items()
        if value is not None
    }


def _reference(files: Files, row: dict[str, object]) -> np.ndarray:
    towers = open_own(files)
    encoded = towers.encoding.encode(towers.schema.user, users([row]))
    inputs = {name: torch.tensor(column) for name, column in encoded.items()}
    tensors = load(files["item.safetensors"]) | load(files["user.safetensors"])
    found: np.ndarray = embed("user", towers.schema.user, inputs, tensors, towers.metric).numpy()
    return found


@settings(deadline=None)
@given(user_rows)
def test_one_user_is_embedded_as_in_training(files: Files, row: dict[str, object]) -> None:
    """With any feature of any kind, known or not, there or not, the vector is that of the encoding and torch, to 1e-5."""
    found = open_towers(files).user(_values(row))
    assert found.shape == (1, 8)
    assert found.dtype == np.float32
    assert np.allclose(found, _reference(files, row), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", float("inf")),
        ("age", float("nan")),
        ("age", "old"),
        ("visits", float("-inf")),
        ("taste", [1.0, float("nan")]),
        ("taste", [1e300, 0.0]),
        ("taste", [1.0, None]),
        ("taste", [1.0]),
        ("taste", np.array([np.inf, 0.0], np.float32)),
        ("taste", "much"),
        ("recent", "i1"),
        ("recent", [None, "never seen"]),
        ("likes", []),
    ],
)
def test_what_is_no_input_is_as_good_as_missing(files: Files, name: str, value: object) -> None:
    """A value that is not finite, of another length or of another type changes nothing, as in the reference."""
    towers = open_towers(files)
    assert np.array_equal(towers.user({"user_id": "u0", name: value}), towers.user({"user_id": "u0"}))


def test_a_vector_may_be_an_array(files: Files) -> None:
    """Lists and arrays of any float type mean the same."""
    towers = open_towers(files)
    expected = towers.user({"taste": [0.25, -1.5]})
    for dtype in (np.float32, np.float64):
        assert np.array_equal(towers.user({"taste": np.array([0.25, -1.5], dtype)}), expected)
    assert not np.array_equal(towers.user({}), expected)


def test_what_was_made_of_inputs_is_not_made_again(files: Files) -> None:
    """Inputs that are handed out again have the vector that they had; other towers make their own of them."""
    plain = open_towers(files)
    heavy = plain.weighed(np.array([0.5, -2.0], np.float32))
    kept = Inputs({"user_id": "u0", "age": 7.0})
    vector = plain.user(kept)
    assert plain.user(kept) is vector
    assert np.array_equal(vector, plain.user(dict(kept)))
    assert np.array_equal(heavy.user(kept), heavy.user(dict(kept)))
    with pytest.raises(ValueError, match="read-only"):
        vector[0, 0] = 1.0


def test_a_user_is_a_row_of_a_batch(files: Files) -> None:
    """Traits included, one user's vector is that user's in a batch; other worths of traits change the end alone."""
    plain = open_towers(files)
    heavy = plain.weighed(np.array([0.5, -2.0], np.float32))
    row: dict[str, object] = {"user_id": "u1", "recent": ["i1", None, "i2"], "age": 7.0}
    assert np.allclose(heavy.user(_values(row)), heavy.users(users([row])), atol=1e-6)
    assert np.array_equal(heavy.user(_values(row))[:, :-2], plain.user(_values(row)))
    assert heavy.user({})[0, -2:].tolist() == [0.5, -2.0]
