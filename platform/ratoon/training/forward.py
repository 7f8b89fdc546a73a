"""The towers' arithmetic in torch. `ratoon.towers.forward` is the same in NumPy; a test holds them together to 1e-5."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ratoon.domain.release import Metric
from ratoon.domain.schema import Entity, Feature

Weights = Mapping[str, Tensor]
"""Every learned tensor by name: `table.<vocabulary>` (rows, width), `w1 b1 w2 b2 p` of each tower under its name, and
`query key position` of each attention feature under its tower's name and its own."""


KEPT = "hidden units kept"
"""The input, of no feature, that says what each hidden unit is multiplied by while learning; shape (n, hidden)."""

TOLD = "teachers' vectors"
"""The input, of no feature, that teachers see in the same row; shape (n, width). No tower reads it."""

LOWEST = -1e30
"""The score of what is not there: finite, so that an empty history has a finite gradient."""


def embed(side: Entity, features: Sequence[Feature], inputs: Mapping[str, Tensor], weights: Weights, metric: Metric) -> Tensor:
    """One tower's vectors: W2 relu(W1 x + b1) + b2 + P x over the joined features; shape (n, dim).

    A tower without layers (its only feature is an id) is its row. For metric cosine the vector has length 1.

    Args:
        inputs: feature name -> encoded rows, see `ratoon.domain.encoding.Inputs`; maybe `KEPT`.
    """
    joined = torch.cat([part for feature in features for part in _parts(feature, inputs[feature.name], weights)], dim=1)
    if f"{side}.w1" in weights:
        hidden = functional.relu(functional.linear(joined, weights[f"{side}.w1"], weights[f"{side}.b1"]))
        hidden = hidden * inputs[KEPT] if KEPT in inputs else hidden
        skipped = functional.linear(joined, weights[f"{side}.p"])
        joined = functional.linear(hidden, weights[f"{side}.w2"], weights[f"{side}.b2"]) + skipped
    vectors = joined.float()  # also where the products are of fewer bits
    return functional.normalize(vectors, dim=1, eps=1e-12) if metric == "cosine" else vectors


def _parts(feature: Feature, encoded: Tensor, weights: Weights) -> list[Tensor]:
    if not feature.vocabulary:
        return [encoded]
    table = weights[f"table.{feature.vocabulary}"]
    match feature.kind:
        case "history":
            return [_mean(encoded, table), _mean(encoded[:, -1:], table)]
        case "attention":
            return [_attended(feature, encoded, table, weights), _mean(encoded[:, -1:], table)]
        case "ids":
            return [_mean(encoded, table)]
        case "text":
            return [_mean(encoded, table), (encoded[:, :1] > 0).float()]
        case _:
            return [functional.embedding(encoded, table, sparse=table.requires_grad)]


def _attended(feature: Feature, encoded: Tensor, table: Tensor, weights: Weights) -> Tensor:
    """One head of scaled dot-product attention (Vaswani et al. 2017) from the newest item to all; shape (n, width).

    The block of SASRec (Kang and McAuley, ICDM 2018, doi:10.1109/ICDM.2018.00035), of which only the newest place is read, so
    that one query per list is enough. The tower's own layers, which skip included follow, do what a value matrix and the
    block's feed-forward part would. Positions are learned, counted from the newest item, and say where to look, not what is
    found there. Zeros for a list without items.
    """
    name = f"{feature.entity}.{feature.name}"
    known = encoded > 0
    rows = functional.embedding(encoded, table, padding_idx=0, sparse=table.requires_grad) * known[:, :, None]
    placed = rows + weights[f"{name}.position"]
    asked = placed[:, -1] @ weights[f"{name}.query"].T @ weights[f"{name}.key"]
    scores = torch.matmul(placed, asked[:, :, None])[:, :, 0] / asked.shape[1] ** 0.5
    share = torch.softmax(scores.masked_fill(~known, LOWEST), dim=1)
    return torch.matmul(share[:, None, :], rows)[:, 0]


def _mean(rows: Tensor, table: Tensor) -> Tensor:
    """The mean of the rows above 0 in each list; zeros for a list without any."""
    return functional.embedding_bag(rows, table, mode="mean", padding_idx=0, sparse=table.requires_grad)
