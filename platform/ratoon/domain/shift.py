"""By how much the scores of some items differ from what an index says: what has become popular since it was made."""

from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def by_item(self) -> dict[str, float]:
        """Item -> what is added for all queries alike."""
        return dict(zip(self.items, self.amounts[0].tolist(), strict=True))

    @cached_property
    def falling(self) -> tuple[list[str], Vectors, Vectors]:
        """Items, their vectors and what is added for all queries alike, the largest amount first."""
        order = np.argsort(-self.amounts[0], kind="stable")
        return [self.items[place] for place in order.tolist()], self.vectors[order], self.amounts[0][order]

    def ready(self) -> "Shift":
        """Itself, with what answers look up made beforehand: of thousands of items that takes milliseconds."""
        _ = self.by_item, self.falling
        return self

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
