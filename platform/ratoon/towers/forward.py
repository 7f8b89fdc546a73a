"""The towers' arithmetic in NumPy. `ratoon.training.forward` is the same in torch; a test holds them together to 1e-5."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import Inputs
from ratoon.domain.forms import Floats, Rows
from ratoon.domain.release import Metric
from ratoon.domain.schema import Entity, Feature

Array = npt.NDArray[np.float32] | npt.NDArray[np.int64]

LOWEST = np.float32(-1e30)
"""Below every score: what the scores of an empty history are measured from."""


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Every learned tensor.

    Attributes:
        tables: by vocabulary, in the form that the files have them in; shape (rows, width).
        layers: `w1 b1 w2 b2 p` of each tower under its name, and `query key position` of each attention feature under its
            tower's name and its own.
    """

    tables: Mapping[str, Rows]
    layers: Mapping[str, Floats]

    @property
    def nbytes(self) -> int:
        """What they take in memory."""
        return sum(tensor.nbytes for part in (self.tables, self.layers) for tensor in part.values())


def embed(side: Entity, features: Sequence[Feature], inputs: Inputs, weights: Weights, metric: Metric) -> Vectors:
    """One tower's vectors: W2 relu(W1 x + b1) + b2 + P x over the joined features; shape (n, dim), float32.

    A tower without layers (its only feature is an id) is its row. For metric cosine the vector has length 1.

    Args:
        inputs: feature name -> encoded rows.
    """
    joined = np.concatenate([part for feature in features for part in _parts(feature, inputs[feature.name], weights)], axis=1)
    layers = weights.layers
    if f"{side}.w1" in layers:
        hidden = np.maximum(joined @ layers[f"{side}.w1"].T + layers[f"{side}.b1"], 0.0)
        joined = hidden @ layers[f"{side}.w2"].T + layers[f"{side}.b2"] + joined @ layers[f"{side}.p"].T
    if metric == "cosine":
        joined = joined / np.maximum(np.sqrt(np.square(joined).sum(axis=1, keepdims=True)), 1e-12)
    return np.asarray(joined, dtype=np.float32)


def _parts(feature: Feature, encoded: Array, weights: Weights) -> list[Array]:
    if not feature.vocabulary:
        return [encoded]
    table = weights.tables[feature.vocabulary]
    match feature.kind:
        case "history":
            return [_mean(encoded, table), _mean(encoded[:, -1:], table)]
        case "attention":
            return [attended(feature, encoded, table, weights.layers), _mean(encoded[:, -1:], table)]
        case "ids":
            return [_mean(encoded, table)]
        case "text":
            return [_mean(encoded, table), (encoded[:, :1] > 0).astype(np.float32)]
        case _:
            return [table[encoded]]


def attended(feature: Feature, encoded: Array, table: Rows, layers: Mapping[str, Floats]) -> Floats:
    """Each history's mean of rows by how they suit the newest; see `ratoon.training.forward`. Shape (n, width)."""
    name = f"{feature.entity}.{feature.name}"
    known = encoded > 0
    rows = table[encoded] * known[:, :, None]
    placed = rows + layers[f"{name}.position"]
    asked = placed[:, -1] @ layers[f"{name}.query"].T @ layers[f"{name}.key"]
    scores = np.where(known, np.matmul(placed, asked[:, :, None])[:, :, 0] / np.sqrt(np.float32(asked.shape[1])), -np.inf)
    strength = np.exp(scores - np.max(scores, axis=1, keepdims=True, initial=LOWEST))
    share = strength / np.maximum(strength.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.asarray(np.matmul(share[:, None, :], rows)[:, 0])


def _mean(rows: Array, table: Rows) -> Floats:
    """The mean of the rows above 0 in each list; zeros for a list without any."""
    known = (rows > 0).astype(np.float32)
    known /= np.maximum(known.sum(axis=1, keepdims=True), 1.0)
    return np.asarray(np.matmul(known[:, None, :], table[rows])[:, 0])
