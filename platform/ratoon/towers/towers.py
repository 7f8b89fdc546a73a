"""One release's towers, opened from its files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import StoreError
from ratoon.domain.forms import TABLE, Floats, Packed, Rows, opened, plain
from ratoon.domain.fusion import FILE as SOURCES
from ratoon.domain.inputs import Inputs
from ratoon.domain.popularity import FILE, Popularity
from ratoon.domain.release import Metric
from ratoon.domain.schema import Entity, TowerSchema
from ratoon.ports import Files, ServedTowers, Values
from ratoon.towers.forward import Weights, embed
from ratoon.towers.fused import fused
from ratoon.towers.one import UserTower
from ratoon.towers.tensors import read_tensors

BLOCK = 4096
"""Rows embedded at once: bounds the memory of long lists at a few tens of megabytes."""


@dataclass(frozen=True, slots=True)
class NumpyTowers:
    """See `ratoon.ports.Towers`. Immutable, so any number of threads may ask it at once.

    Attributes:
        dim: the length of the vectors, `popularity` included.
        metric: how they are compared.
        width: what is learned: the length of the vectors without `popularity`.
        learned_metric: how that part is compared, and so whether it is normalised.
        schema: the features the towers are fed.
        encoding: how features become numbers.
        weights: the learned tensors, read-only.
        popularity: what the traits of items are worth, see `ratoon.domain.popularity`; empty where vectors have none.
    """

    width: int
    learned_metric: Metric
    schema: TowerSchema
    encoding: Encoding
    weights: Weights
    popularity: Vectors
    _one: UserTower = field(init=False, repr=False, compare=False)
    _mark: object = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lay the user tower out for single users."""
        one = UserTower(self.schema.user, self.encoding, self.weights, self.learned_metric, self.popularity)
        object.__setattr__(self, "_one", one)
        object.__setattr__(self, "_mark", object())  # stands for these towers where it must not keep them in memory

    @property
    def dim(self) -> int:
        """See above."""
        return self.width + len(self.popularity)

    @property
    def metric(self) -> Metric:
        """See above."""
        return "dot" if len(self.popularity) else self.learned_metric

    @property
    def nbytes(self) -> int:
        """The bytes of the learned tensors."""
        return self.weights.nbytes

    def weighed(self, popularity: Vectors) -> "NumpyTowers":
        """The same towers, to whose users the traits are worth something else."""
        return replace(self, popularity=popularity)

    def user(self, values: Values) -> Vectors:
        """The vector of one user, shape (1, dim), as `users` gives it for a row of these values."""
        if not isinstance(values, Inputs):
            return self._one.vector(values)
        if (made := values.made) is None or made[0] is not self._mark:
            vector = self._one.vector(values)
            vector.flags.writeable = False  # it is handed out again
            values.made = made = self._mark, vector
        return made[1]

    def users(self, table: pa.Table) -> Vectors:
        """User vectors for rows of user features, with what traits are worth to them at the end; shape (n, dim)."""
        worth = np.broadcast_to(self.popularity, (table.num_rows, len(self.popularity)))
        return np.concatenate([self._embed("user", table), worth], axis=1)

    def items(self, table: pa.Table) -> Vectors:
        """Item vectors for rows of item features, with zeros where traits go; shape (n, dim)."""
        blank = np.zeros((table.num_rows, len(self.popularity)), np.float32)
        return np.concatenate([self._embed("item", table), blank], axis=1)

    def _embed(self, side: Entity, table: pa.Table) -> Vectors:
        features = self.schema.user if side == "user" else self.schema.item
        vectors = np.empty((table.num_rows, self.width), dtype=np.float32)
        for start in range(0, table.num_rows, BLOCK):
            inputs = self.encoding.encode(features, table.slice(start, BLOCK))
            vectors[start : start + BLOCK] = embed(side, features, inputs, self.weights, self.learned_metric)
        return vectors


def open_towers(files: Files) -> ServedTowers:
    """The towers in a model's files, with what they are fused with, if they are.

    Raises:
        StoreError: a file is missing or damaged.
    """
    own = open_own(files)
    return fused(own, files, open_own) if SOURCES in files else own


def open_own(files: Files) -> NumpyTowers:
    """The towers in a model's files alone.

    Tables are views of the files' bytes, in the form that they have there: opening copies none, and rows that are never asked
    for cost nothing.

    Raises:
        StoreError: a file is missing or damaged.
    """
    wanted = ("model.json", "schema.json", "encoding.json", "item.safetensors", "user.safetensors")
    missing = [name for name in wanted if name not in files]
    if missing:
        raise StoreError("model files", expected=", ".join(wanted), found=f"no {', '.join(missing)}", fix="Load a whole release.")
    about = json.loads(files["model.json"])
    tensors = [(file, read_tensors(file, files[file])) for file in ("item.safetensors", "user.safetensors")]
    worth = Popularity.from_json(files[FILE].decode()).weights if FILE in files else np.zeros(0, np.float32)
    return NumpyTowers(
        width=int(about["dim"]),
        learned_metric=about["metric"],
        schema=TowerSchema.from_json(files["schema.json"].decode()),
        encoding=Encoding.from_json(files["encoding.json"].decode()),
        weights=_weights(tensors),
        popularity=worth,
    )


def _weights(tensors: Sequence[tuple[str, Mapping[str, Packed]]]) -> Weights:
    tables: dict[str, Rows] = {}
    layers: dict[str, Floats] = {}
    for file, packed in tensors:
        try:
            found = opened(packed)
        except (KeyError, ValueError) as error:
            expected = "a scale for each row of whole numbers"
            raise StoreError(file, expected=expected, found=str(error), fix="Load a whole release.") from error
        tables |= {name.removeprefix(TABLE): rows for name, rows in found.items() if name.startswith(TABLE)}
        layers |= {name: plain(rows) for name, rows in found.items() if not name.startswith(TABLE)}
    return Weights(tables, layers)
