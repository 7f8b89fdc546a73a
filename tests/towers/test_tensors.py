"""The safetensors reader against the real library, and against damage."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from ratoon.domain.errors import StoreError
from ratoon.towers.tensors import read_tensors

shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), shapes, max_size=4))
def test_it_reads_what_the_library_writes(wanted: dict[str, tuple[int, ...]]) -> None:
    """Any float32 tensors, empty ones and scalars included, come back with the same names, shapes and values."""
    wanted.pop("__metadata__", None)
    source = np.random.default_rng(0)
    tensors = {name: source.normal(size=shape).astype(np.float32).reshape(shape) for name, shape in wanted.items()}
    found = read_tensors("t", save(tensors, metadata={"made by": "a test"}))
    assert found.keys() == tensors.keys()
    assert all(found[name].shape == tensors[name].shape and np.array_equal(found[name], tensors[name]) for name in tensors)


def _file(header: object, values: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + values


def _entry(**changes: object) -> dict[str, object]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "t: expected a header that ends at byte 8, found 0 bytes. Roll back to another release"),
        (_file({})[:9], "t: expected a header that ends at byte 10, found 9 bytes"),
        ((2).to_bytes(8, "little") + b"{]", "t: expected a JSON header, found"),
        (_file([1]), "t: expected a JSON object, found list"),
        (_file(_entry(dtype="I64"), bytes(8)), "t: w: expected dtype F32, F16, I8, a shape and two offsets, found"),
        (_file({"w": 3}), "t: w: expected dtype F32, F16, I8, a shape and two offsets, found 3"),
        (_file(_entry(shape=[-2]), bytes(8)), r"t: w: expected a shape of whole numbers, found \[-2\]"),
        (_file(_entry(), bytes(7)), "t: w: expected 8 bytes inside the file, found bytes 0 to 8 of 7"),
        (_file(_entry(shape=[3]), bytes(8)), "t: w: expected 12 bytes inside the file, found bytes 0 to 8 of 8"),
        (_file(_entry(data_offsets=[-8, 0]), bytes(8)), "t: w: expected 8 bytes inside the file, found bytes -8 to 0 of 8"),
    ],
)
def test_damage_is_named(data: bytes, message: str) -> None:
    """A file that is cut off, not safetensors or inconsistent is refused with what is wrong with it."""
    with pytest.raises(StoreError, match=message):
        read_tensors("t", data)


def test_tensors_are_views() -> None:
    """Reading copies nothing, and nobody can write into a release's bytes."""
    found = read_tensors("t", save({"w": np.zeros(3, dtype=np.float32)}))["w"]
    assert not found.flags.owndata
    assert not found.flags.writeable


@pytest.mark.parametrize("dtype", [np.float16, np.int8])
def test_fewer_bits_are_read_as_they_are(dtype: type[np.generic]) -> None:
    """Half floats and whole numbers are views too, of their own type."""
    written = np.arange(6).reshape(3, 2).astype(dtype)
    found = read_tensors("t", save({"w": written}))["w"]
    assert found.dtype == dtype
    assert np.array_equal(found, written)
