"""What a request reads besides the live slot."""

from collections.abc import Callable, Sequence
from typing import Protocol

import pyarrow as pa

from ratoon.domain.schema import TowerSchema


class OnlineFeatures(Protocol):
    """User features at request time."""

    def user(self, user_id: str, schema: TowerSchema) -> pa.Table | None:
        """One row of the user tower's inputs, or None for a user without a single stored feature."""


PostedItems = Callable[[Sequence[str], TowerSchema], pa.Table]
"""Items -> what their own events say: one row each of `item_id`, the item tower's inputs, display and filter columns.

A column of which no event says anything may be missing; so are the rows of items whose events say nothing that can be used.
"""
