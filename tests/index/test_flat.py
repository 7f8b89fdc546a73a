"""What only the FAISS index promises: changes in place, and refusing an index that is not its own."""

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import StoreError
from ratoon.index.flat import FlatIndex


def filled(count: int, dim: int = 4) -> FlatIndex:
    """An index with items 0, 1, ... whose vectors are their numbers."""
    index = FlatIndex(dim, "dot")
    vectors = np.repeat(np.arange(count, dtype=np.float32)[:, None], dim, axis=1)
    ids = tuple(f"{number:05d}" for number in range(count))
    index.upsert(EmbeddingBatch(ids, vectors, pa.table({"item_id": list(ids)})))
    return index


def test_replacing_writes_in_place() -> None:
    """Replacing items and filling holes leaves FAISS's array where it was, and every other vector bit for bit."""
    index = filled(1000)
    address = index._memory().ctypes.data
    before = index._memory().copy()
    moved = EmbeddingBatch(("00010", "00500"), np.full((2, 4), 7.0, np.float32), pa.table({"item_id": ["00010", "00500"]}))
    index.upsert(moved)
    assert index._memory().ctypes.data == address
    assert np.flatnonzero((index._memory() != before).any(axis=1)).tolist() == [10, 500]
    assert index.remove(["00003", "00999", "nobody"]) == 2
    assert index._memory().ctypes.data == address
    assert index._memory().shape == (998, 4)
    assert index._memory()[3].tolist() == [998.0] * 4


def test_what_is_told_of_items_is_written_when_it_changed() -> None:
    """New vectors alone leave the items file that was loaded; a new item writes it again; a file in no order is not kept."""
    files = dict(filled(3).snapshot())
    index = FlatIndex.load(files)
    moved = EmbeddingBatch(("00001",), np.full((1, 4), 7.0, np.float32), pa.table({"item_id": ["00001"]}))
    index.upsert(moved)
    assert index.copy().snapshot()["items.parquet"] is index.snapshot()["items.parquet"] is files["items.parquet"]
    assert index.snapshot()["index.faiss"] != files["index.faiss"]
    index.upsert(EmbeddingBatch(("0",), np.zeros((1, 4), np.float32), pa.table({"item_id": ["0"]})))
    assert FlatIndex.load(index.snapshot()).ids() == ["0", "00000", "00001", "00002"]
    sink = pa.BufferOutputStream()
    order = pa.table({"item_id": ["00002", "00000", "00001"]}).replace_schema_metadata({"ratoon.metric": "dot"})
    pq.write_table(order, sink)
    shuffled = FlatIndex.load({**files, "items.parquet": sink.getvalue().to_pybytes()})
    assert FlatIndex.load(shuffled.snapshot()).vectors(["00002"]).tolist() == [[0.0] * 4]


def test_all_removed_and_filled_again() -> None:
    """An index that was emptied takes new items."""
    index = filled(10)
    assert index.remove(f"{number:05d}" for number in range(10)) == 10
    assert len(index) == 0
    assert index.snapshot() == FlatIndex(4, "dot").snapshot()
    index.upsert(EmbeddingBatch(("x",), np.ones((1, 4), np.float32), pa.table({"item_id": ["x"]})))
    assert index.search(np.ones((1, 4), np.float32), 2) == [[("x", 4.0)]]


def test_recall_sees_a_broken_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recall is counted against FAISS's own vectors, so a search that loses half of the top k is caught."""
    index = filled(100)
    queries = np.ones((3, 4), np.float32)
    whole = FlatIndex.search

    def half(self: FlatIndex, queries: np.ndarray, k: int) -> list[list[tuple[str, float]]]:
        found = whole(self, queries, 2 * k)
        return [pairs[:5] + pairs[-5:] for pairs in found]

    assert index.recall(queries, 10) == 1.0
    monkeypatch.setattr(FlatIndex, "search", half)
    assert index.recall(queries, 10) == 0.5


def test_another_kind_of_index_is_refused() -> None:
    """A readable FAISS file that is not an inner-product flat index is named by its class."""
    other = faiss.IndexFlatL2(4)
    other.add(np.ones((3, 4), np.float32))
    files = dict(filled(3).snapshot()) | {"index.faiss": faiss.serialize_index(other).tobytes()}
    with pytest.raises(StoreError, match=r"index.faiss: expected an IndexFlatIP, found IndexFlatL2"):
        FlatIndex.load(files)
