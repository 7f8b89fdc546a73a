"""A view of vectors without Feast: where its files lie, and what is in them."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from ratoon.domain.event import TIME
from ratoon.domain.schema import Entity
from ratoon.features.views import JOIN_KEYS

SPACE = "space"
"""The second join key."""


@dataclass(frozen=True, slots=True)
class VectorView:
    """A view of vectors.

    Attributes:
        folder: where its files lie.
    """

    name: str
    entity: Entity
    folder: Path

    @property
    def key(self) -> str:
        """The join key beside `space`."""
        return JOIN_KEYS[self.entity]

    @property
    def schema(self) -> pa.Schema:
        """The columns of one of its files."""
        columns = {self.key: pa.string(), SPACE: pa.string(), "vector": pa.list_(pa.float32()), "release": pa.string()}
        return pa.schema([*columns.items(), ("event_timestamp", TIME), ("created_timestamp", TIME)])
