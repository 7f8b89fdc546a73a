"""What a request reads besides the live slot."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from ratoon.domain.embedding import Vectors
from ratoon.domain.event import Event
from ratoon.domain.schema import TowerSchema
from ratoon.ports.learning import Towers

Values = Mapping[str, object]
"""Inputs of a tower by name, as Python has them: texts, numbers, aware times, lists; a vector may be an array.

What is missing is left out.
"""


class ServedTowers(Towers, Protocol):
    """The towers of a release that is served."""

    @property
    def nbytes(self) -> int:
        """The bytes of the learned tensors, as they are held."""

    def weighed(self, popularity: Vectors) -> "ServedTowers":
        """The same towers, to whose users the traits are worth something else."""

    def user(self, values: Values) -> Vectors:
        """The vector of one user, shape (1, dim), as `users` gives it for a row of these values."""


class OnlineFeatures(Protocol):
    """User features at request time."""

    def user(self, user_id: str, schema: TowerSchema, session: Sequence[Event] = ()) -> Values | None:
        """The user tower's inputs that have a value, or None for a user without a single stored feature.

        Args:
            session: interactions of the user that the log does not have: inputs are as if it had them.

        Raises:
            StoreError: they cannot be read now.
        """

    def remembered(self, user_id: str, schema: TowerSchema) -> Values | None:
        """What `user` gave last, where that is kept."""


PostedItems = Callable[[Sequence[str], TowerSchema], pa.Table]
"""Items -> what their own events say: one row each of `item_id`, the item tower's inputs, display and filter columns.

A column of which no event says anything may be missing; so are the rows of items whose events say nothing that can be used.
"""
