"""A model of one catalogue as what another catalogue's can start from: what both have in common, and nothing else.

Layers keep the columns of the inputs that both read, tables the rows of ids that the two are told to share; rows of categories
and of texts stand for values and are shared as they are. What only the receiver reads is added later, as a dense refresh adds
inputs: at first it says nothing.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ratoon.domain.encoding import Encoding, Vocabulary
from ratoon.domain.errors import DataError
from ratoon.domain.schema import ITEM_TABLE, Entity, Feature, TowerSchema
from ratoon.training.model import Model, feature_width, table_widths
from ratoon.training.settings import TrainingSettings

ALIKE = ("kind", "vocabulary", "dim", "buckets", "ngram")
"""What two features of one name have in common that mean the same to a tower. Where they are kept does not matter to it."""

Shared = Mapping[str, Mapping[str, str]]
"""Vocabulary of ids -> theirs to ours."""


def grafted(donor: Model, schema: TowerSchema, ids: Shared, settings: TrainingSettings) -> Model:
    """What of `donor` suits `schema`: a model under those of its inputs that the donor reads as well, in its order.

    Args:
        donor: made by the same settings.
        ids: rows of other ids do not come along, apart from the one for unknown ids.

    Raises:
        DataError: a tower has nothing in common with the donor's, or learned rows have another length.
    """
    user, item = _common("user", donor.schema.user, schema.user), _common("item", donor.schema.item, schema.item)
    common = replace(schema, user=user, item=item)
    widths, theirs = table_widths(common, settings), _widths(donor)
    if differing := [name for name, width in widths.items() if theirs[name] != width]:
        raise DataError(
            "the other release's learned rows",
            expected=", ".join(f"length {widths[name]} of {name}" for name in differing),
            found=", ".join(f"length {theirs[name]}" for name in differing),
            fix="Set training.dim to what the other home has, and run a full refresh first.",
        )
    named = {feature.vocabulary for feature in (*user, *item) if feature.kind in ("id", "history", "attention")}
    vocabularies, tensors = dict(donor.encoding.vocabularies), dict[str, Tensor]()
    for name in sorted({ITEM_TABLE, *named}):
        vocabularies[name], rows = _renamed(donor.encoding.vocabularies.get(name, Vocabulary()), ids.get(name, {}))
        if name in widths:
            tensors[f"table.{name}"] = donor.tensors[f"table.{name}"][rows]
    tensors |= {f"table.{name}": donor.tensors[f"table.{name}"] for name in widths if name not in named}
    for side, kept, old in (("user", user, donor.schema.user), ("item", item, donor.schema.item)):
        tensors |= _layers(side, kept, old, donor.tensors, theirs)
    scales = {feature.name for feature in (*user, *item)}
    known = {name: vocabularies[name] for name in vocabularies if name in widths or name == "item_id"}
    return Model(
        common, Encoding(known, {name: scale for name, scale in donor.encoding.scales.items() if name in scales}), tensors
    )


def _common(side: Entity, old: tuple[Feature, ...], new: tuple[Feature, ...]) -> tuple[Feature, ...]:
    there = {feature.name: feature for feature in old}
    kept = tuple(
        feature
        for feature in new
        if feature.name in there and all(getattr(feature, one) == getattr(there[feature.name], one) for one in ALIKE)
    )
    if not kept:
        raise DataError(
            f"the other release's {side} features",
            expected=f"some of {', '.join(feature.name for feature in new)}, of the same kind",
            found=", ".join(feature.name for feature in old),
            fix="Transfer from a catalogue that is described alike, or start cold.",
        )
    return kept


def _widths(model: Model) -> dict[str, int]:
    return {name.removeprefix("table."): tensor.shape[1] for name, tensor in model.tensors.items() if name.startswith("table.")}


def _renamed(theirs: Vocabulary, ids: Mapping[str, str]) -> tuple[Vocabulary, Tensor]:
    """The vocabulary of the ids that are shared, by our names, and which of their rows it has."""
    kept = [(value, row) for value, row in sorted(theirs.rows.items(), key=lambda entry: entry[1]) if value in ids]
    return Vocabulary(tuple(ids[value] for value, _ in kept)), torch.tensor([0, *(row for _, row in kept)])


def _layers(
    side: str, kept: tuple[Feature, ...], old: tuple[Feature, ...], tensors: Mapping[str, Tensor], widths: Mapping[str, int]
) -> dict[str, Tensor]:
    """A tower's layers, fed by the kept inputs alone, and its attention's."""
    names = {feature.name for feature in kept if feature.kind == "attention"}
    found = {name: tensor for name, tensor in tensors.items() if name.startswith(f"{side}.") and name.split(".")[1] in names}
    if f"{side}.w1" not in tensors:
        return found
    starts, start = dict[str, int](), 0
    for feature in old:
        starts[feature.name] = start
        start += feature_width(feature, dict(widths))
    spans = ((starts[feature.name], feature_width(feature, dict(widths))) for feature in kept)
    columns = torch.cat([torch.arange(first, first + wide) for first, wide in spans])
    cut = {f"{side}.{name}": tensors[f"{side}.{name}"][:, columns] for name in ("w1", "p")}
    return found | cut | {f"{side}.{name}": tensors[f"{side}.{name}"] for name in ("b1", "w2", "b2")}
