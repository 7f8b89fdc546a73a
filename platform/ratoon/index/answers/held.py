"""All vectors of an index as one matrix, and which slot each row belongs to."""

from dataclasses import dataclass

import numpy as np

from ratoon.domain.embedding import Vectors
from ratoon.index.items.slots import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Vectors in any order.

    Attributes:
        vectors: shape (n, dim).
        slots: the slot of each, shape (n,).
    """

    vectors: Vectors
    slots: Rows

    def rows(self, slots: Rows) -> Rows:
        """The row of each slot; -1 for one that is not here, or for -1."""
        row = np.full(self.slots.max(initial=-1) + 2, -1)
        row[self.slots] = np.arange(len(self.slots))
        return row[np.minimum(slots, len(row) - 1)]
