"""Item vectors on their way into an index."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.errors import DataError

Vectors = npt.NDArray[np.float32]
"""Float32, shape (n, dim)."""

NORM = 1e-3
"""How far from 1 the length of a vector may be that is compared by cosine: float32 rounding, and no more."""


@dataclass(frozen=True, slots=True)
class EmbeddingBatch:
    """Exactly the items that moved, with the columns that go with them.

    Attributes:
        ids: item ids, n of them, without duplicates.
        vectors: shape (n, dim), finite; normalised if the model's metric is cosine.
        columns: n rows: `item_id` and the display and filter columns.
    """

    ids: tuple[str, ...]
    vectors: Vectors
    columns: pa.Table

    def __post_init__(self) -> None:
        """Refuse a batch whose parts do not fit together, before anything is changed."""
        if not len(self.ids) == len(self.vectors) == self.columns.num_rows:
            raise DataError(
                "EmbeddingBatch",
                expected="as many ids as vectors and column rows",
                found=f"{len(self.ids)}, {len(self.vectors)} and {self.columns.num_rows}",
                fix="Embed and describe the same items.",
            )
        if not np.isfinite(self.vectors).all():
            bad = self.ids[int(np.flatnonzero(~np.isfinite(self.vectors).all(axis=1))[0])]
            raise DataError(
                "EmbeddingBatch.vectors",
                expected="finite numbers",
                found=f"NaN or infinity for item {bad!r}",
                fix="Look at that item's features; the release was not published.",
            )
