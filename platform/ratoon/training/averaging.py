"""The mean of several models of one chain: the same weights, some refreshes apart.

Models that started from one another and were taught on keep to one valley of the loss, where the mean of their weights is a model
too, and often a steadier one (Izmailov et al. 2018, arXiv:1803.05407; Wortsman et al. 2022, arXiv:2203.05482).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ratoon.domain.errors import DataError
from ratoon.training.model import Model


def averaged(models: Sequence[Model]) -> Model:
    """The newest model with every tensor the mean of all that have it.

    A value's row is the mean of those models' rows in which it has one; what nobody else has is the newest model's own.

    Args:
        models: newest first, of one schema.

    Raises:
        DataError: a tensor differs in shape by more than rows that came in between.
    """
    newest = models[0]
    tensors = {
        name: _rows(name, models) if name.startswith("table.") else _mean(name, [model.tensors.get(name) for model in models])
        for name in sorted(newest.tensors)  # a file's own order differs from one reading to the next
    }
    return Model(newest.schema, newest.encoding, tensors, newest.losses, newest.attendance)


def _mean(name: str, tensors: Sequence[Tensor | None]) -> Tensor:
    first = _fitting(name, tensors[0], tensors[0])
    return torch.stack([_fitting(name, tensor, first) for tensor in tensors]).mean(dim=0)


def _fitting(name: str, tensor: Tensor | None, first: Tensor | None) -> Tensor:
    if tensor is None or first is None or tensor.shape != first.shape:
        raise DataError(
            f"tensor {name}",
            expected=f"shape {tuple(first.shape) if first is not None else ()}",
            found=str(tuple(tensor.shape)) if tensor is not None else "none",
            fix="Average releases between which the training settings and the features did not change.",
        )
    return tensor


def _rows(name: str, models: Sequence[Model]) -> Tensor:
    """Vocabularies only grow, and a row that a value has lost is nobody's: rows of other releases are found by value."""
    table, vocabulary = models[0].tensors[name], models[0].encoding.vocabularies.get(name.removeprefix("table."))
    if vocabulary is None:  # the rows that texts are hashed to, which are always the same
        return _mean(name, [model.tensors.get(name) for model in models])
    total, count = table.clone(), torch.ones(len(table), 1)
    for model in models[1:]:
        other = model.tensors[name]
        _fitting(name, other[:1], table[:1])
        theirs = model.encoding.vocabularies[name.removeprefix("table.")].rows
        shared = [(0, 0), *((row, theirs[value]) for value, row in vocabulary.rows.items() if value in theirs)]
        here, there = torch.tensor(shared, dtype=torch.int64).T
        total[here] += other[there]
        count[here] += 1
    return total / count
