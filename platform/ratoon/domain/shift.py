"""By how much the scores of some items differ from what an index says: what has become popular since it was made."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """By how much the scores of some items differ from what an index says.

    Attributes:
        items: ids, without duplicates; the index holds them all.
        vectors: theirs, in order, as the index has them; shape (items, dim).
        amounts: what is added; shape (queries, items), or (1, items) for all queries alike.
    """

    items: tuple[str, ...]
    vectors: Vectors
    amounts: Vectors

    def without(self, gone: Set[str]) -> "Shift":
        """The same for the other items."""
        kept = np.array([item not in gone for item in self.items], np.bool_)
        return self._only(kept)

    def moving(self) -> "Shift":
        """The same for those items whose score differs for any query."""
        return self._only((self.amounts != 0).any(axis=0))

    def _only(self, kept: npt.NDArray[np.bool_]) -> "Shift":
        items = tuple(item for item, stays in zip(self.items, kept, strict=True) if stays)
        return Shift(items, self.vectors[kept], self.amounts[:, kept])
