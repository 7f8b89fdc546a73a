"""The oracle against worked examples."""

import io

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import StoreError
from ratoon.index.exact import ExactIndex


def test_worked_example() -> None:
    """Three vectors, one query, inner products by hand."""
    index = ExactIndex(2, "dot")
    vectors = np.array([[1, 2], [3, 4], [-1, 0]], np.float32)
    index.upsert(EmbeddingBatch(("a", "b", "c"), vectors, pa.table({"item_id": ["a", "b", "c"]})))
    assert index.search(np.array([[10, 1]], np.float32), 2) == [[("b", 34.0), ("a", 12.0)]]
    assert index.search(np.array([[10, 1]], np.float32), 2, [["b"]]) == [[("a", 12.0), ("c", -10.0)]]


@pytest.mark.parametrize("wrong", [np.ones(3, np.float32), np.ones((3, 2), np.float64)])
def test_foreign_array_is_refused(wrong: np.ndarray) -> None:
    """An array of another type or shape is named."""
    index, sink = ExactIndex(2, "dot"), io.BytesIO()
    np.save(sink, wrong)
    with pytest.raises(StoreError, match=r"vectors.npy: expected float32, two dimensions, found float"):
        ExactIndex.load(dict(index.snapshot()) | {"vectors.npy": sink.getvalue()})
