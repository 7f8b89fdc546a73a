"""The parts of the vectors of fused towers: one source of candidates each, see `ratoon.domain.fusion`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa

from ratoon.domain.covisit import Covisits, told
from ratoon.domain.embedding import Vectors
from ratoon.domain.texts import Texts
from ratoon.ports import ServedTowers, Values


class Block(Protocol):
    """One source's part of every vector."""

    @property
    def width(self) -> int:
        """How long it is."""

    @property
    def nbytes(self) -> int:
        """The bytes of what it is made from."""

    def users(self, table: pa.Table) -> Vectors:
        """For rows of user features; shape (n, width)."""

    def items(self, table: pa.Table) -> Vectors:
        """For rows of item features; shape (n, width)."""

    def user(self, values: Values) -> Vectors:
        """For one user; shape (1, width)."""


@dataclass(frozen=True, slots=True)
class TowerBlock:
    """Towers, without what is popular."""

    towers: ServedTowers

    @property
    def width(self) -> int:
        """See `Block`."""
        return self.towers.dim - len(self.towers.popularity)

    @property
    def nbytes(self) -> int:
        """See `Block`."""
        return self.towers.nbytes

    def users(self, table: pa.Table) -> Vectors:
        """See `Block`."""
        return self.towers.users(table)[:, : self.width]

    def items(self, table: pa.Table) -> Vectors:
        """See `Block`."""
        return self.towers.items(table)[:, : self.width]

    def user(self, values: Values) -> Vectors:
        """See `Block`."""
        return self.towers.user(values)[:, : self.width]


@dataclass(frozen=True, slots=True)
class CovisitBlock:
    """What is had together, see `ratoon.domain.covisit`; an item that was not known when it was counted has zeros.

    Attributes:
        history: the user feature that is asked with.
        factors: of the items that were counted.
    """

    history: str
    factors: Covisits

    @property
    def width(self) -> int:
        """See `Block`."""
        return int(self.factors.offered.shape[1])

    @property
    def nbytes(self) -> int:
        """See `Block`."""
        return self.factors.heard.nbytes + self.factors.offered.nbytes

    def users(self, table: pa.Table) -> Vectors:
        """See `Block`."""
        return told([self._known(history) for history in column(self.history, table)], self.factors.heard)

    def items(self, table: pa.Table) -> Vectors:
        """See `Block`."""
        places = np.array([self.factors.rows.get(item, -1) for item in table.column("item_id").to_pylist()], np.int64)
        vectors = np.zeros((len(places), self.width), np.float32)
        vectors[places >= 0] = self.factors.offered[places[places >= 0]]
        return vectors

    def user(self, values: Values) -> Vectors:
        """See `Block`."""
        return self.factors.told(self._known(values.get(self.history)))

    def _known(self, history: object) -> list[int]:
        entries = history if isinstance(history, list) else ()
        return [row for entry in entries if entry is not None and (row := self.factors.rows.get(str(entry))) is not None]


@dataclass(frozen=True, slots=True)
class TextBlock:
    """What texts say, see `ratoon.domain.texts`; an item that came since they were encoded has zeros.

    Attributes:
        history: the user feature that is asked with.
        texts: what was encoded.
    """

    history: str
    texts: Texts

    @property
    def width(self) -> int:
        """See `Block`."""
        return self.texts.about.dim

    @property
    def nbytes(self) -> int:
        """See `Block`."""
        return self.texts.nbytes

    def users(self, table: pa.Table) -> Vectors:
        """See `Block`."""
        asked = zip(column(self.history, table), column(self.texts.about.user_field, table), strict=True)
        vectors = [self.texts.told(history, text) for history, text in asked]
        return np.array(vectors, np.float32).reshape(len(vectors), self.width)

    def items(self, table: pa.Table) -> Vectors:
        """See `Block`."""
        return self.texts.offered(table.column("item_id").to_pylist())

    def user(self, values: Values) -> Vectors:
        """See `Block`."""
        return self.texts.told(values.get(self.history), values.get(self.texts.about.user_field))[None, :]


def column(name: str, table: pa.Table) -> Sequence[object]:
    """The values of a column; nothing for each row where there is no such column."""
    if name not in table.column_names:
        return [None] * table.num_rows
    values: list[object] = table.column(name).to_pylist()
    return values
