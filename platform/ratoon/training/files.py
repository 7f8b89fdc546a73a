"""A model as files: safetensors for what is learned, JSON for what says how to read it. No pickle."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import torch
from safetensors.numpy import load as loaded
from safetensors.numpy import save as saved
from safetensors.torch import load, save
from torch import Tensor

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError
from ratoon.domain.forms import PLAIN, Forms, Packed, opened, packed, plain
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
    `user.safetensors` holds the rest. Both are in the model's forms, which `model.json` says where they are not float32.
    """
    items = {name for name in model.tensors if name.startswith("item.")} | model.item_tables()
    forms = {} if model.forms == PLAIN else {"forms": asdict(model.forms)}
    about = {
        "dim": settings.dim,
        "metric": settings.metric,
        "objective": settings.objective,
        "temperature": settings.temperature,
        "losses": model.losses,
        **forms,
    }
    return {
        "encoding.json": model.encoding.to_json().encode(),
        "item.safetensors": _saved(model, items),
        "model.json": json.dumps(about, sort_keys=True, indent=1).encode(),
        "schema.json": model.schema.to_json().encode(),
        "user.safetensors": _saved(model, model.tensors.keys() - items),
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
    tensors = _loaded(files["item.safetensors"]) | _loaded(files["user.safetensors"])
    encoding = Encoding.from_json(files["encoding.json"].decode())
    there = {name: tensor.to(device) for name, tensor in tensors.items()}
    memory = load(files[OPTIMISER]) if settings.warm_optimiser and OPTIMISER in files else {}
    return Model(schema, encoding, there, about["losses"], attendance.load(files), memory, forms_of(files))


def forms_of(files: Files) -> Forms:
    """In which form a model's files have what is learnt."""
    return Forms(**json.loads(files["model.json"]).get("forms", {}))


def _saved(model: Model, names: Iterable[str]) -> bytes:
    tensors: dict[str, Packed] = {}
    for name in sorted(names):
        tensors |= packed(name, model.tensors[name].detach().cpu().contiguous().numpy(), model.forms.of(name))
    return saved(tensors)


def _loaded(data: bytes) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(plain(rows), np.float32)) for name, rows in opened(loaded(data)).items()}


def _same(found: Mapping[str, object], expected: Mapping[str, object]) -> None:
    for name, value in expected.items():
        if found[name] != value:
            raise DataError(
                f"parent model's {name}",
                expected=str(value),
                found=str(found[name]),
                fix="Run a full refresh: rows can only be moved in a model of the same shape.",
            )
