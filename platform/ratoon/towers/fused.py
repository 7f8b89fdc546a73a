"""Towers with other sources of candidates beside them: every vector is a row of blocks, see `ratoon.domain.fusion`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from ratoon.domain import fusion
from ratoon.domain.covisit import Covisits
from ratoon.domain.embedding import Vectors
from ratoon.domain.fusion import Fusion
from ratoon.domain.inputs import Inputs
from ratoon.domain.release import Metric
from ratoon.domain.texts import Texts
from ratoon.ports import Files, ServedTowers, Values
from ratoon.towers.blocks import Block, CovisitBlock, TextBlock, TowerBlock, column


@dataclass(frozen=True, slots=True)
class FusedTowers:
    """See `ratoon.ports.ServedTowers`: the vectors of `own`, weighed, then each block's, then what traits are worth.

    Attributes:
        own: the release's own towers.
        blocks: what stands beside them, by name, in order.
    """

    own: ServedTowers
    blocks: Mapping[str, Block]
    fusion: Fusion
    _mark: object = field(init=False, repr=False, compare=False)
    _length: int = field(init=False, repr=False, compare=False)
    _parts: tuple[tuple[Callable[[Values], Vectors], slice, tuple[float, ...]], ...] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Lay the parts out for single users."""
        parts: list[tuple[Callable[[Values], Vectors], slice, tuple[float, ...]]] = [
            (self.own.user, slice(0, TowerBlock(self.own).width), self.fusion.weights[fusion.TOWER])
        ]
        for name, block in self.blocks.items():
            end = parts[-1][1].stop
            parts.append((block.user, slice(end, end + block.width), self.fusion.weights[name]))
        object.__setattr__(self, "_parts", tuple(parts))
        object.__setattr__(self, "_length", self.dim)
        object.__setattr__(self, "_mark", object())

    @property
    def dim(self) -> int:
        """See above."""
        return self.own.dim + sum(block.width for block in self.blocks.values())

    @property
    def popularity(self) -> Vectors:
        """See above."""
        return self.own.popularity

    @property
    def metric(self) -> Metric:
        """See above: with weights, vectors have any length."""
        return "dot"

    @property
    def nbytes(self) -> int:
        """The bytes of all blocks."""
        return self.own.nbytes + sum(block.nbytes for block in self.blocks.values())

    def weighed(self, popularity: Vectors) -> "FusedTowers":
        """The same towers, to whose users the traits are worth something else."""
        return replace(self, own=self.own.weighed(popularity))

    def fused(self, weights: Fusion) -> "FusedTowers":
        """The same towers, whose sources weigh something else."""
        return replace(self, fusion=weights)

    def user(self, values: Values) -> Vectors:
        """The vector of one user, shape (1, dim), as `users` gives it for a row of these values."""
        if not isinstance(values, Inputs):
            return self._vector(values)
        if (made := values.made) is None or made[0] is not self._mark:
            vector = self._vector(dict(values))  # the parts of other marks are not kept in its place
            vector.flags.writeable = False
            values.made = made = self._mark, vector
        return made[1]

    def _vector(self, values: Values) -> Vectors:
        history = values.get(self.fusion.history)
        segment = self.fusion.segment(len(history) if isinstance(history, list) else 0)
        vector = np.empty(self._length, np.float32)
        for user, place, weights in self._parts:
            np.multiply(user(values)[0, : place.stop - place.start], weights[segment], out=vector[place])
        vector[self._length - len(self.popularity) :] = self.popularity
        return vector[None, :]

    def users(self, table: pa.Table) -> Vectors:
        """User vectors for rows of user features, with what traits are worth to them at the end; shape (n, dim)."""
        histories = column(self.fusion.history, table)
        segments = self.fusion.segments([len(one) if isinstance(one, list) else 0 for one in histories])
        every: dict[str, Block] = {fusion.TOWER: TowerBlock(self.own), **self.blocks}
        parts = [block.users(table) * self.fusion.weighing(name)[segments, None] for name, block in every.items()]
        worth = np.broadcast_to(self.popularity, (table.num_rows, len(self.popularity)))
        return np.concatenate([*parts, worth], axis=1, dtype=np.float32)

    def items(self, table: pa.Table) -> Vectors:
        """Item vectors for rows of item features, with zeros where traits go; shape (n, dim)."""
        every = [TowerBlock(self.own), *self.blocks.values()]
        blank = np.zeros((table.num_rows, len(self.popularity)), np.float32)
        return np.concatenate([*(block.items(table) for block in every), blank], axis=1, dtype=np.float32)


def fused(own: ServedTowers, files: Files, opened: Callable[[Files], ServedTowers]) -> FusedTowers:
    """`own` and what `files` say stands beside them.

    Args:
        opened: opens towers by their files.

    Raises:
        StoreError: a block's file is missing or damaged.
    """
    weights = Fusion.from_json(files[fusion.FILE].decode())
    blocks: dict[str, Block] = {}
    for name in weights.weights:
        if name == fusion.COVISIT:
            blocks[name] = CovisitBlock(weights.history, Covisits.from_files(fusion.of(name, files)))
        elif name == fusion.TEXT:
            blocks[name] = TextBlock(weights.history, Texts.from_files(fusion.of(name, files)))
        elif name != fusion.TOWER:
            blocks[name] = TowerBlock(opened(fusion.of(name, files)))
    return FusedTowers(own, blocks, weights)
