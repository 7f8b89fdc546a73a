"""Entries in blocks, against FAISS's own packing."""

from typing import Any

import faiss
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ratoon.index.ivf.packing import BLOCK, read, write

DIM, COUNT = 8, 70
ENTRIES = st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=40, unique=True)


def packed(codes: np.ndarray) -> np.ndarray:
    """The blocks of FAISS's packer, an entry after the other."""
    index: Any = faiss.IndexIVFPQFastScan(faiss.IndexFlatIP(DIM), DIM, 1, DIM, 4, faiss.METRIC_INNER_PRODUCT)
    packer = index.get_CodePacker()
    blocks = np.zeros((-(-COUNT // BLOCK), packer.block_size), np.uint8)
    for place, code in enumerate(codes[:, ::2] | codes[:, 1::2] << 4):
        packer.pack_1(code, place, blocks)
    return blocks.reshape(len(blocks), DIM, BLOCK // 2)


@given(seed=st.integers(0, 2**32), changed=st.lists(ENTRIES, max_size=5))
@settings(max_examples=50)
def test_any_entries_are_written_as_faiss_lays_them(seed: int, changed: list[list[int]]) -> None:
    """Few or many entries written over others make the bytes that FAISS makes of all of them, and are read again."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 16, (COUNT, DIM), np.uint8)
    blocks = np.zeros((3, DIM, BLOCK // 2), np.uint8)
    write(blocks, np.arange(COUNT), codes)
    for places in changed:
        codes[places] = rng.integers(0, 16, (len(places), DIM), np.uint8)
        write(blocks, np.array(places), codes[places])
    assert np.array_equal(blocks, packed(codes))
    some = rng.permutation(COUNT)[:20]
    assert np.array_equal(read(blocks, some), codes[some])
