"""A model while it is being taught: every tensor of both towers under one roof, growing with its vocabularies."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ratoon.domain.admission import Attendance
from ratoon.domain.encoding import Encoding
from ratoon.domain.forms import PLAIN, Forms
from ratoon.domain.schema import ITEM_TABLE, Entity, Feature, TowerSchema
from ratoon.training.repeatable import generator
from ratoon.training.settings import TrainingSettings

SPREAD = 0.05
"""Standard deviation of a row nobody has taught: small, so that an item without interactions is led by its features."""


@dataclass(slots=True)
class Model:
    """Two towers.

    Attributes:
        tensors: see `ratoon.training.forward.Weights`; float32.
        losses: `train` and `fit` loss, and the fit rows' `gain` where items are ranked, after each pass of the refresh that
            made it; see `ratoon.training.losses`.
        memory: what optimisers remember of it, where it is kept; see `ratoon.training.optimisers.State`.
        forms: in which form its files have what is learnt.
        attendance: vocabulary under admission -> who has come, and when; see `ratoon.domain.admission`.
    """

    schema: TowerSchema
    encoding: Encoding
    tensors: dict[str, Tensor]
    losses: dict[str, list[float]] = field(default_factory=dict)
    attendance: dict[str, Attendance] = field(default_factory=dict)
    memory: Mapping[str, Tensor] = field(default_factory=dict)
    forms: Forms = PLAIN

    def item_tables(self) -> set[str]:
        """The tensors that an item's vector is made from, and so what `rows` refreshes hold still."""
        shared = {feature.vocabulary for feature in self.schema.item if feature.vocabulary} | {ITEM_TABLE}
        return {f"table.{name}" for name in shared} & self.tensors.keys()

    def strangers(self, first_new: int) -> list[int]:
        """The rows of items that are new, or are as an unknown one's; none if items have no rows.

        Args:
            first_new: the first new row of the items' table.
        """
        if (table := self.tensors.get(f"table.{ITEM_TABLE}")) is None:
            return []
        found = (table == table[0]).all(dim=1)
        found[first_new:] = True
        found[0] = False
        rows: list[int] = found.nonzero()[:, 0].tolist()
        return rows

    def unmeet(self, strangers: Iterable[int], met: Collection[str]) -> None:
        """Let items that nobody has had go on as unknown ones: all that their rows have learnt is not to be wanted.

        Args:
            strangers: rows that this is about.
            met: the items that somebody has had.
        """
        known = self.encoding.vocabularies[ITEM_TABLE].rows
        had = {known[item] for item in met if item in known}
        if rows := [row for row in strangers if row not in had]:
            table = self.tensors[f"table.{ITEM_TABLE}"]
            table[rows] = table[0].clone()

    def grow(self, encoding: Encoding, seed: int, settings: TrainingSettings) -> dict[str, int]:
        """Take a larger encoding; return each table's first new row.

        A new id starts as the unknown id, whose row has learnt what an average newcomer is like, plus a little noise. A text's
        rows are all there from its beginning.
        """
        first_new = {}
        buckets = {feature.vocabulary: feature.buckets for feature in (*self.schema.user, *self.schema.item)}
        for name, width, is_id in _tables(self.schema, settings):
            table = self.tensors.get(f"table.{name}", torch.empty(0, width))
            wanted = buckets[name] + 1 if buckets[name] else len(encoding.vocabularies[name])
            first_new[f"table.{name}"] = len(table)
            if wanted == len(table):
                continue
            source = generator(seed, name, len(table))
            newcomers = (torch.randn(wanted - len(table), table.shape[1], generator=source) * SPREAD).to(table.device)
            if is_id and len(table):
                newcomers = newcomers + table[0]
            self.tensors[f"table.{name}"] = torch.cat([table, newcomers])
        self.encoding = encoding
        return first_new


def hidden_units(model: Model) -> dict[Entity, int]:
    """How many each tower has that has layers; the settings say how many one has that is made anew."""
    sides: tuple[Entity, ...] = ("user", "item")
    return {side: len(model.tensors[f"{side}.b1"]) for side in sides if f"{side}.b1" in model.tensors}


def fresh(schema: TowerSchema, encoding: Encoding, seed: int, settings: TrainingSettings, device: torch.device) -> Model:
    """A model that has learnt nothing."""
    model = Model(schema, encoding, {})
    model.grow(encoding, seed, settings)
    widths = table_widths(schema, settings)
    sides: tuple[tuple[Entity, tuple[Feature, ...]], ...] = (("user", schema.user), ("item", schema.item))
    for side, features in sides:
        if [feature.kind for feature in features] != ["id"]:
            wide = sum(feature_width(feature, widths) for feature in features)
            model.tensors |= layers(side, wide, seed, settings) | attentions(side, features, seed, settings)
    model.tensors = {name: tensor.to(device) for name, tensor in model.tensors.items()}
    return model


def _tables(schema: TowerSchema, settings: TrainingSettings) -> list[tuple[str, int, bool]]:
    """Each learned table: its vocabulary, the length of its rows, and whether they stand for ids; by name."""
    every = [feature for feature in (*schema.user, *schema.item) if feature.vocabulary]
    ids = {feature.vocabulary for feature in every if feature.kind in ("id", "history", "attention")}
    return [
        (name, settings.dim if name in ids else settings.small, name in ids)
        for name in sorted({feature.vocabulary for feature in every})
    ]


def table_widths(schema: TowerSchema, settings: TrainingSettings) -> dict[str, int]:
    """Vocabulary name -> the length of its learned rows."""
    return {name: width for name, width, _ in _tables(schema, settings)}


def feature_width(feature: Feature, widths: dict[str, int]) -> int:
    """How many numbers a feature brings to its tower's joined inputs.

    Args:
        widths: see `table_widths`.
    """
    match feature.kind:
        case "history" | "attention":
            return 2 * widths[feature.vocabulary]
        case "id" | "category" | "ids":
            return widths[feature.vocabulary]
        case "text":
            return widths[feature.vocabulary] + 1
        case "number" | "count":
            return 2
        case "vector":
            return feature.dim + 1


def layers(side: str, wide: int, seed: int, settings: TrainingSettings) -> dict[str, Tensor]:
    """One tower's layers, each drawn as `torch.nn.Linear` draws its own: uniform within 1 / sqrt(inputs)."""
    shapes: Iterable[tuple[str, tuple[int, ...], int]] = (
        ("w1", (settings.hidden, wide), wide),
        ("b1", (settings.hidden,), wide),
        ("w2", (settings.dim, settings.hidden), settings.hidden),
        ("b2", (settings.dim,), settings.hidden),
        ("p", (settings.dim, wide), wide),
    )
    source = generator(seed, side)
    return {f"{side}.{name}": (torch.rand(shape, generator=source) * 2 - 1) / inputs**0.5 for name, shape, inputs in shapes}


def attentions(side: Entity, features: Iterable[Feature], seed: int, settings: TrainingSettings) -> dict[str, Tensor]:
    """The tensors of the attention features among `features`.

    Queries and keys are drawn as layers are. Positions start at zero, so that all begin alike.
    """
    drawn: dict[str, Tensor] = {}
    for feature in features:
        if feature.kind == "attention":
            source, shape = generator(seed, side, feature.name), (settings.dim, settings.dim)
            for name in ("query", "key"):
                drawn[f"{side}.{feature.name}.{name}"] = (torch.rand(shape, generator=source) * 2 - 1) / settings.dim**0.5
            drawn[f"{side}.{feature.name}.position"] = torch.zeros(feature.dim, settings.dim)
    return drawn
