"""One release's towers, opened from its files."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import StoreError
from ratoon.domain.release import Metric
from ratoon.domain.schema import Entity, TowerSchema
from ratoon.ports import Files
from ratoon.towers.forward import Weights, embed
from ratoon.towers.row import encode_row
from ratoon.towers.tensors import read_tensors

BLOCK = 4096
"""Rows embedded at once: bounds the memory of long lists at a few tens of megabytes."""


@dataclass(frozen=True, slots=True)
class NumpyTowers:
    """See `ratoon.ports.Towers`. Immutable, so any number of threads may ask it at once.

    Attributes:
        dim: the length of the vectors.
        metric: how they are compared.
        schema: the features the towers are fed.
        encoding: how features become numbers.
        weights: the learned tensors, read-only.
    """

    dim: int
    metric: Metric
    schema: TowerSchema
    encoding: Encoding
    weights: Weights

    def users(self, table: pa.Table) -> Vectors:
        """User vectors for rows of user features; shape (n, dim)."""
        return self._embed("user", table)

    def items(self, table: pa.Table) -> Vectors:
        """Item vectors for rows of item features; shape (n, dim)."""
        return self._embed("item", table)

    def _embed(self, side: Entity, table: pa.Table) -> Vectors:
        features = self.schema.user if side == "user" else self.schema.item
        if table.num_rows == 1:
            return embed(side, features, encode_row(self.encoding, features, table), self.weights, self.metric)
        vectors = np.empty((table.num_rows, self.dim), dtype=np.float32)
        for start in range(0, table.num_rows, BLOCK):
            inputs = self.encoding.encode(features, table.slice(start, BLOCK))
            vectors[start : start + BLOCK] = embed(side, features, inputs, self.weights, self.metric)
        return vectors


def open_towers(files: Files) -> NumpyTowers:
    """The towers in a model's files.

    Tensors are views of the files' bytes: opening copies nothing, and a part that is never asked for costs nothing.

    Raises:
        StoreError: a file is missing or damaged.
    """
    wanted = ("model.json", "schema.json", "encoding.json", "item.safetensors", "user.safetensors")
    missing = [name for name in wanted if name not in files]
    if missing:
        raise StoreError("model files", expected=", ".join(wanted), found=f"no {', '.join(missing)}", fix="Load a whole release.")
    about = json.loads(files["model.json"])
    weights: Weights = {
        name: tensor
        for file in ("item.safetensors", "user.safetensors")
        for name, tensor in read_tensors(file, files[file]).items()
    }
    return NumpyTowers(
        dim=int(about["dim"]),
        metric=about["metric"],
        schema=TowerSchema.from_json(files["schema.json"].decode()),
        encoding=Encoding.from_json(files["encoding.json"].decode()),
        weights=weights,
    )
