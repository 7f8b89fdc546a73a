"""A batch whose parts do not fit together never reaches an index."""

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.errors import DataError

TABLE = pa.table({"item_id": ["a", "b"]})


def test_a_batch_that_fits() -> None:
    """As many ids as vectors as rows are taken as they are; none at all is a batch too."""
    batch = EmbeddingBatch(("a", "b"), np.ones((2, 3), np.float32), TABLE)
    assert batch.ids == ("a", "b")
    assert EmbeddingBatch((), np.empty((0, 3), np.float32), TABLE.slice(0, 0)).ids == ()


@pytest.mark.parametrize(
    ("count", "vectors", "rows", "found"), [(1, 2, 2, "1, 2 and 2"), (2, 1, 2, "2, 1 and 2"), (2, 2, 1, "2, 2 and 1")]
)
def test_parts_of_different_length_are_refused(count: int, vectors: int, rows: int, found: str) -> None:
    """The three lengths are named."""
    with pytest.raises(DataError, match=f"expected as many ids as vectors and column rows, found {found}"):
        EmbeddingBatch(("a", "b")[:count], np.ones((vectors, 3), np.float32), TABLE.slice(0, rows))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused(bad: float) -> None:
    """The first item with NaN or infinity in its vector is named."""
    vectors = np.ones((2, 3), np.float32)
    vectors[1, 2] = bad
    with pytest.raises(DataError, match="expected finite numbers, found NaN or infinity for item 'b'"):
        EmbeddingBatch(("a", "b"), vectors, TABLE)
