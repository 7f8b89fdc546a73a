"""A model with more inputs than it had, and the same vectors: what a dense refresh starts from when features were added.

Each new input meets a column of zeros in its tower's layers (as Net2Net widens a layer without changing its function, Chen et
al. 2016), so that it says nothing until it has been learnt.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ratoon.domain.encoding import Encoding
from ratoon.domain.schema import Entity, Feature, TowerSchema
from ratoon.training.model import Model, attentions, feature_width, layers, table_widths
from ratoon.training.settings import TrainingSettings


def widened(model: Model, schema: TowerSchema, encoding: Encoding, seed: int, settings: TrainingSettings) -> Model:
    """`model` under a schema that has all its inputs and more; the learned rows of new vocabularies are drawn at random.

    Args:
        encoding: the model's, grown by what the new inputs need.
    """
    device = next(iter(model.tensors.values())).device
    wide = Model(schema, model.encoding, dict(model.tensors), model.losses, forms=model.forms)
    wide.grow(encoding, seed, settings)
    sides: tuple[tuple[Entity, Sequence[Feature], Sequence[Feature]], ...] = (
        ("user", model.schema.user, schema.user),
        ("item", model.schema.item, schema.item),
    )
    for side, old, new in sides:
        if new != old:
            wide.tensors |= _widened(side, old, new, wide.tensors, table_widths(schema, settings), seed, settings)
            wide.tensors |= attentions(side, [feature for feature in new if feature not in old], seed, settings)
    wide.tensors = {name: tensor.to(device) for name, tensor in wide.tensors.items()}
    return wide


def _widened(
    side: Entity,
    old: Sequence[Feature],
    new: Sequence[Feature],
    tensors: dict[str, Tensor],
    widths: dict[str, int],
    seed: int,
    settings: TrainingSettings,
) -> dict[str, Tensor]:
    columns = torch.cat([_columns(feature, new, widths) for feature in old])
    wide = sum(feature_width(feature, widths) for feature in new)
    if f"{side}.w1" in tensors:
        return {name: _spread(tensors[name], columns, wide) for name in (f"{side}.w1", f"{side}.p")}
    # A tower that was the row of its id gets layers that pass that row on and add nothing to it.
    made = layers(side, wide, seed, settings)
    first = _spread(made[f"{side}.w1"][:, columns], columns, wide)
    skip = _spread(torch.eye(settings.dim), columns, wide)
    still = {name: torch.zeros_like(made[name]) for name in (f"{side}.w2", f"{side}.b2")}
    return {**made, **still, f"{side}.w1": first, f"{side}.p": skip}


def _columns(feature: Feature, features: Sequence[Feature], widths: dict[str, int]) -> Tensor:
    """Where a feature lies among the joined inputs."""
    start = sum(feature_width(before, widths) for before in features[: features.index(feature)])
    return torch.arange(start, start + feature_width(feature, widths))


def _spread(tensor: Tensor, columns: Tensor, wide: int) -> Tensor:
    """`tensor`'s columns at their new places among zeros; shape (rows, wide)."""
    spread = torch.zeros(len(tensor), wide, device=tensor.device)
    spread[:, columns.to(tensor.device)] = tensor
    return spread
