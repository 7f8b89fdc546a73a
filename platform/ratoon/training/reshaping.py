"""A model made smaller without being taught: rows and hidden units taken out, and what is left renumbered everywhere."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ratoon.domain.admission import renumbered
from ratoon.domain.encoding import Vocabulary
from ratoon.domain.schema import Entity
from ratoon.domain.shape import Kept, Shape
from ratoon.training.model import Model

MOMENTS = ("mean", "square")
"""What optimisers remember per number; see `ratoon.training.optimisers.State`."""

UNITS: dict[str, int] = {"w1": 0, "b1": 0, "w2": 1}
"""The tensors of a tower that have its hidden units, and along which axis."""


def reshaped(model: Model, shape: Shape) -> Model:
    """`model`, which is changed, in another shape.

    A value that loses its row is as one never seen, and gets a new row when it is met again often enough: its vocabulary is under
    admission from then on, as `ratoon.domain.admission` has it.
    """
    for vocabulary, kept in shape.rows.items():
        _keep_rows(model, vocabulary, kept)
    sides: tuple[Entity, ...] = ("user", "item")
    for side in sides:
        units = len(model.tensors.get(f"{side}.w1", ()))
        if (left := max(1, round(units * shape.width))) < units:
            _keep_units(model, side, strongest(model, side, left))
    model.forms = shape.forms or model.forms
    return model


def strongest(model: Model, side: Entity, width: int) -> Tensor:
    """The hidden units that can move vectors most: by the lengths of their weights in and out, multiplied; ascending."""
    into, out = model.tensors[f"{side}.w1"], model.tensors[f"{side}.w2"]
    bias = model.tensors[f"{side}.b1"]
    strength = torch.sqrt(into.square().sum(dim=1) + bias.square()) * torch.linalg.vector_norm(out, dim=0)
    return torch.sort(torch.topk(strength, width).indices).values


def _keep_rows(model: Model, vocabulary: str, kept: Kept) -> None:
    known, name = model.encoding.vocabularies[vocabulary], f"table.{vocabulary}"
    rows = torch.tensor([0, *kept.rows])
    model.tensors[name] = model.tensors[name][rows]
    smaller = Vocabulary(tuple(known.values[row - 1] for row in kept.rows))
    model.encoding = replace(model.encoding, vocabularies={**model.encoding.vocabularies, vocabulary: smaller})
    attendance = renumbered(model.attendance.get(vocabulary), known, kept.rows, kept.after, kept.newest)
    model.attendance = {**model.attendance, vocabulary: attendance}
    if f"{name}/rows" in model.memory:
        model.memory = {**model.memory, **_remembered(model, name, kept.rows)}


def _remembered(model: Model, name: str, rows: Sequence[int]) -> dict[str, Tensor]:
    """What is remembered of the rows of a table that stay, in the order in which they were met."""
    met = model.memory[f"{name}/rows"]
    places = torch.full((int(max(int(met.max()) if len(met) else 0, max(rows, default=0))) + 1,), -1)
    places[torch.tensor([0, *rows])] = torch.arange(len(rows) + 1)
    here = places[met] >= 0
    parts = {f"{name}/{part}": model.memory[f"{name}/{part}"][here] for part in MOMENTS}
    return {f"{name}/rows": places[met][here], **parts}


def _keep_units(model: Model, side: Entity, units: Tensor) -> None:
    for layer, axis in UNITS.items():
        name = f"{side}.{layer}"
        model.tensors[name] = model.tensors[name].index_select(axis, units)
        for part in (f"{name}/{part}" for part in MOMENTS):
            if part in model.memory:
                model.memory = {**model.memory, part: model.memory[part].index_select(axis, units)}
