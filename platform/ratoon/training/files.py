"""A model as files: safetensors for what is learned, JSON for what says how to read it. No pickle."""

import json
from collections.abc import Mapping

import torch
from safetensors.torch import load, save
from torch import Tensor

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Files
from ratoon.training import attendance
from ratoon.training.model import Model
from ratoon.training.settings import TrainingSettings

OPTIMISER = "optimiser.safetensors"
"""What optimisers remember, where it is kept. The rows of a table only follow each other, so a release stores what changed."""


def dump(model: Model, settings: TrainingSettings) -> dict[str, bytes]:
    """The model's files. Equal models are equal bytes.

    `item.safetensors` holds what item vectors are made from and the items' table, which histories share;
    `user.safetensors` holds the rest.
    """
    items = {name for name in model.tensors if name.startswith("item.")} | model.item_tables()
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.tensors.items()}
    about = {
        "dim": settings.dim,
        "metric": settings.metric,
        "objective": settings.objective,
        "temperature": settings.temperature,
        "losses": model.losses,
    }
    return {
        "encoding.json": model.encoding.to_json().encode(),
        "item.safetensors": save({name: tensors[name] for name in sorted(items)}),
        "model.json": json.dumps(about, sort_keys=True, indent=1).encode(),
        "schema.json": model.schema.to_json().encode(),
        "user.safetensors": save({name: tensors[name] for name in sorted(tensors.keys() - items)}),
        **attendance.dump(model.attendance),
        **({OPTIMISER: save(dict(sorted(model.memory.items())))} if model.memory else {}),
    }


def load_model(files: Files, schema: TowerSchema, settings: TrainingSettings, device: torch.device) -> Model:
    """The model in `files`, to be taught further.

    Raises:
        DataError: it was built for other features, or with another length or metric.
    """
    about = json.loads(files["model.json"])
    found = {
        "dim": about["dim"],
        "metric": about["metric"],
        "features": TowerSchema.from_json(files["schema.json"].decode()).hash,
    }
    _same(found, {"dim": settings.dim, "metric": settings.metric, "features": schema.hash})
    tensors: dict[str, Tensor] = load(files["item.safetensors"]) | load(files["user.safetensors"])
    encoding = Encoding.from_json(files["encoding.json"].decode())
    there = {name: tensor.to(device) for name, tensor in tensors.items()}
    memory = load(files[OPTIMISER]) if settings.warm_optimiser and OPTIMISER in files else {}
    return Model(schema, encoding, there, about["losses"], attendance.load(files), memory)


def _same(found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    for name, value in expected.items():
        if found[name] != value:
            raise DataError(
                f"parent model's {name}",
                expected=str(value),
                found=str(found[name]),
                fix="Run a full refresh: rows can only be moved in a model of the same shape.",
            )
