"""What teachers see in a lesson's rows, worked out once before the first step: soft targets for whoever imitates them.

A teacher keeps its own vocabularies, layers and temperature, so that one of another width, with attention where the student has
a mean, or of another release, is imitated alike. It forgets no id while it is looked at: what it says is the best it can.
"""

import json

import pyarrow as pa
import torch
from torch import Tensor

from ratoon.domain.errors import DataError
from ratoon.domain.schema import SCHEMA, Entity, TowerSchema
from ratoon.ports import Files, Teaching
from ratoon.training.devices import CPU
from ratoon.training.files import load_model
from ratoon.training.forward import embed
from ratoon.training.model import Model
from ratoon.training.settings import TrainingSettings

BLOCK = 4_096
"""Rows looked at at once."""


class Teachers:
    """Models that another imitates.

    Raises:
        DataError: a teacher was not taught to rank, so that its scores are no logits.
    """

    def __init__(self, teaching: Teaching) -> None:
        self._models = [_opened(files) for files in teaching.teachers]

    @torch.no_grad()
    def seen(self, side: Entity, table: pa.Table) -> Tensor:
        """Every teacher's vectors, one after the other; shape (n, sum of their lengths).

        The inner product of a user's and an item's is the mean of the teachers' logits.
        """
        unit = len(self._models)
        return torch.cat(
            [_vectors(model, how, side, table) / (how.temperature * unit) ** 0.5 for model, how in self._models], dim=1
        )


def _opened(files: Files) -> tuple[Model, TrainingSettings]:
    """A model, and what of the settings it was made by can be seen in its vectors."""
    about = json.loads(files["model.json"])
    if about["objective"] != "softmax":
        raise DataError(
            "teacher's objective",
            expected="softmax, whose scores say how likely items are beside each other",
            found=about["objective"],
            fix="Choose a release that was taught by training.objective softmax.",
        )
    settings = TrainingSettings(dim=about["dim"], metric=about["metric"], temperature=about["temperature"])
    return load_model(files, TowerSchema.from_json(files[SCHEMA].decode()), settings, CPU), settings


def _vectors(model: Model, settings: TrainingSettings, side: Entity, table: pa.Table) -> Tensor:
    parts = list[Tensor]()
    features = model.schema.user if side == "user" else model.schema.item
    for start in range(0, max(table.num_rows, 1), BLOCK):
        inputs = model.encoding.encode(features, table.slice(start, BLOCK))
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        parts.append(embed(side, features, tensors, model.tensors, settings.metric))
    return torch.cat(parts)
