"""Where a model is computed: whole in one place, or with its tables in the processor's memory and each batch's rows cut out.

The cut-out is what makes tables larger than a device's memory, and tables shared out among processes, one and the same step:
the batch's codes are renumbered to the rows they name, those rows are fetched, and their gradients are given back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ratoon.domain.schema import Feature, TowerSchema
from ratoon.training.devices import sent
from ratoon.training.examples import Encoded
from ratoon.training.forward import KEPT, embed
from ratoon.training.model import Model
from ratoon.training.precision import lowered
from ratoon.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Sides:
    """Inputs of both towers, where they are computed.

    Attributes:
        users, items: see `ratoon.training.examples.Encoded`.
        rows: table name -> the rows that the inputs' codes count, ascending, row 0 always the first; empty where the codes
            count the tables' own rows.
        sizes: users and items of all processes together; 0 where there is one process.
    """

    users: Encoded
    items: Encoded
    rows: Mapping[str, Tensor]
    sizes: tuple[int, int] = (0, 0)


class Compute(Protocol):
    """A model in the hands of its fitting."""

    @property
    def device(self) -> torch.device:
        """Where vectors and losses are computed."""

    @property
    def moving(self) -> Mapping[str, Tensor]:
        """What this process moves: whole tensors, or its share of a table's rows. A step sets their `grad`."""

    def share(self, rows: Tensor) -> Tensor:
        """Of something per row of a table, what belongs to `moving`'s rows of it, where they are."""

    def prepare(self, users: Encoded, items: Encoded) -> Sides:
        """Inputs on their way to where they are computed; reads no weight, so it can run ahead of the steps before it."""

    def vectors(self, sides: Sides) -> tuple[Tensor, Tensor]:
        """User and item vectors, float32, with gradients; shapes (users, dim) and (items, dim)."""

    def return_gradients(self) -> None:
        """After the backward pass: every moving tensor's `grad` is that of the whole batch; a table's is sparse."""

    def summed(self, value: Tensor) -> Tensor:
        """A number of this process's rows, added up over all processes."""

    def agree(self, value: Tensor) -> float:
        """One number for all processes, so that they decide alike."""

    def settle(self) -> None:
        """Bring what moved back into the model's own tensors."""


class Rows(Protocol):
    """Tables that are reached by row."""

    @property
    def moving(self) -> Mapping[str, Tensor]:
        """See `Compute`."""

    def share(self, rows: Tensor) -> Tensor:
        """See `Compute`."""

    def fetch(self, table: str, rows: Tensor) -> Tensor:
        """These rows' values; shape (rows, width)."""

    def give(self, table: str, rows: Tensor, gradients: Tensor) -> None:
        """These rows' gradients, to be found in the moving table's `grad`."""

    def settle(self) -> None:
        """See `Compute`."""


class InPlace:
    """A model that is whole on one device.

    Args:
        moving: names of the tensors that may move.
    """

    def __init__(self, model: Model, moving: Iterable[str], settings: TrainingSettings, device: torch.device) -> None:
        self._model, self._settings, self.device = model, settings, device
        self._weights = {name: tensor.to(device) for name, tensor in model.tensors.items()}
        self.moving: Mapping[str, Tensor] = {name: self._weights[name].requires_grad_() for name in sorted(moving)}

    def share(self, rows: Tensor) -> Tensor:
        """All rows."""
        return rows.to(self.device)

    def prepare(self, users: Encoded, items: Encoded) -> Sides:
        """The inputs as they are."""
        return Sides(users, items, {})

    def vectors(self, sides: Sides) -> tuple[Tensor, Tensor]:
        """See `Compute`."""
        return embedded(self._model.schema, sides, self._weights, self._settings, self.device)

    def return_gradients(self) -> None:
        """They are there."""

    def summed(self, value: Tensor) -> Tensor:
        """There is nobody else."""
        return value

    def agree(self, value: Tensor) -> float:
        """There is nobody else."""
        return float(value)

    def settle(self) -> None:
        """On the processor they are the model's own tensors."""
        for name, tensor in self.moving.items():
            if self._model.tensors[name] is not tensor:
                self._model.tensors[name].copy_(tensor.detach())


class CutOut:
    """A model whose shared layers are on the device, and of whose tables only the batch's rows are.

    Args:
        moving: names of the tensors that may move.
        tables: where the rows come from.
    """

    def __init__(
        self, model: Model, moving: Iterable[str], tables: Rows, settings: TrainingSettings, device: torch.device
    ) -> None:
        self._model, self._tables, self._settings, self.device = model, tables, settings, device
        layers = {name: tensor.to(device) for name, tensor in model.tensors.items() if not name.startswith("table.")}
        self._layers = layers
        free = {name: layers[name].requires_grad_() for name in moving if not name.startswith("table.")}
        self.moving: Mapping[str, Tensor] = dict(sorted({**free, **tables.moving}.items()))
        self._cut: dict[str, tuple[Tensor, Tensor]] = {}

    def share(self, rows: Tensor) -> Tensor:
        """See `Compute`."""
        return self._tables.share(rows)

    def prepare(self, users: Encoded, items: Encoded) -> Sides:
        """The batch's rows, and inputs that count them."""
        schema = self._model.schema
        every = [(feature, users) for feature in schema.user] + [(feature, items) for feature in schema.item]
        codes: dict[str, list[Tensor]] = {}
        for feature, inputs in every:
            if feature.vocabulary:
                codes.setdefault(f"table.{feature.vocabulary}", []).append(inputs[feature.name].reshape(-1))
        # Row 0 comes along even where nothing names it: in lists a 0 is no row, and has to stay 0.
        rows = {name: torch.cat([part[0].new_zeros(1), *part]).unique() for name, part in sorted(codes.items())}
        return Sides(self._renumbered(schema.user, users, rows), self._renumbered(schema.item, items, rows), rows)

    def _renumbered(self, features: Iterable[Feature], inputs: Encoded, rows: Mapping[str, Tensor]) -> Encoded:
        found = {}
        for feature in features:
            column = inputs[feature.name]
            if feature.vocabulary:
                column = torch.searchsorted(rows[f"table.{feature.vocabulary}"], column)
            found[feature.name] = sent(column, self.device)
        if KEPT in inputs:
            found[KEPT] = sent(inputs[KEPT], self.device)
        return found

    def vectors(self, sides: Sides) -> tuple[Tensor, Tensor]:
        """See `Compute`."""
        cut = {name: sent(self._tables.fetch(name, rows), self.device) for name, rows in sides.rows.items()}
        if torch.is_grad_enabled():
            self._cut = {name: (sides.rows[name], cut[name].requires_grad_()) for name in cut if name in self.moving}
        return embedded(self._model.schema, sides, self._layers | cut, self._settings, self.device)

    def return_gradients(self) -> None:
        """Give every cut-out row's gradient back to its table."""
        for name, (rows, cut) in self._cut.items():
            assert cut.grad is not None  # a table is cut out because a feature reads it
            gradient = cut.grad.coalesce()
            named = gradient.indices()[0].to(rows.device)
            self._tables.give(name, rows[named], gradient.values().to(rows.device))
        self._cut = {}

    def summed(self, value: Tensor) -> Tensor:
        """There is nobody else."""
        return value

    def agree(self, value: Tensor) -> float:
        """There is nobody else."""
        return float(value)

    def settle(self) -> None:
        """See `Compute`."""
        for name, tensor in self._layers.items():
            if name in self.moving and self._model.tensors[name] is not tensor:
                self._model.tensors[name].copy_(tensor.detach())
        self._tables.settle()


class HostRows:
    """The model's own tables, in the processor's memory; their optimiser's memory of them is there too."""

    def __init__(self, model: Model, moving: Iterable[str]) -> None:
        self._tables = {name: table for name, table in model.tensors.items() if name.startswith("table.")}
        self.moving: Mapping[str, Tensor] = {name: self._tables[name].requires_grad_() for name in moving if name in self._tables}

    def share(self, rows: Tensor) -> Tensor:
        """All rows."""
        return rows

    def fetch(self, table: str, rows: Tensor) -> Tensor:
        """See `Rows`."""
        return self._tables[table].detach().index_select(0, rows)

    def give(self, table: str, rows: Tensor, gradients: Tensor) -> None:
        """See `Rows`."""
        self.moving[table].grad = sparse(rows, gradients, self.moving[table])

    def settle(self) -> None:
        """They are the model's own."""


def embedded(
    schema: TowerSchema, sides: Sides, weights: Mapping[str, Tensor], settings: TrainingSettings, device: torch.device
) -> tuple[Tensor, Tensor]:
    """User and item vectors."""
    with lowered(settings, device):
        users = embed("user", schema.user, sides.users, weights, settings.metric)
        items = embed("item", schema.item, sides.items, weights, settings.metric)
    return users, items


def sparse(rows: Tensor, values: Tensor, table: Tensor) -> Tensor:
    """A table's gradient from rows that are ascending and differ."""
    return torch.sparse_coo_tensor(rows[None], values, table.shape, is_coalesced=True, check_invariants=False)
