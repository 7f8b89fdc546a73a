"""One model computed by many processes: each has every world-th row of the tables, and a part of every batch.

A step is the one that a single process would make. Each process embeds its part of the batch and of the candidates, with rows
that their owners send; the vectors are collected, and everybody computes the whole loss from them, so that every user meets
every candidate and a process's gradients are complete for its part. Layers' gradients are added up; rows' go to their owners.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from ratoon.training.devices import CPU
from ratoon.training.examples import Encoded
from ratoon.training.group import Group
from ratoon.training.hosting import CutOut, Sides
from ratoon.training.model import Model
from ratoon.training.settings import TrainingSettings


class ShardedRows:
    """Tables of which row r is learnt by process r mod world.

    Each process has the model as it was loaded in its own processor's memory. What is shared out is the learning: the rows on
    `place`, and the optimiser's memory of them.

    Args:
        place: where this process's rows are.
    """

    def __init__(self, model: Model, moving: Iterable[str], group: Group, place: torch.device) -> None:
        self._model, self._group, self._place = model, group, place
        tables = {name: table for name, table in model.tensors.items() if name.startswith("table.")}
        self._shards = {name: self.share(table).clone() for name, table in tables.items()}
        self._given = {name: torch.zeros(len(shard), dtype=torch.bool, device=place) for name, shard in self._shards.items()}
        self.moving: Mapping[str, Tensor] = {name: self._shards[name].requires_grad_() for name in moving if name in tables}

    def share(self, rows: Tensor) -> Tensor:
        """See `Rows`."""
        return rows[self._group.rank :: self._group.world].to(self._place)

    def fetch(self, table: str, rows: Tensor) -> Tensor:
        """See `Rows`."""
        order, wanted, (sent, received) = self._asked(rows)
        found = self._group.swapped(self._shards[table].detach()[wanted], received, sent)
        values = torch.empty_like(found)
        values[order] = found
        return values

    def give(self, table: str, rows: Tensor, gradients: Tensor) -> None:
        """See `Rows`."""
        order, owned, (sent, received) = self._asked(rows)
        values = self._group.swapped(gradients[order], sent, received)
        shard = self.moving[table]
        shard.grad = torch.sparse_coo_tensor(owned[None], values, shard.shape, check_invariants=False).coalesce()
        self._given[table][owned] = True

    def _asked(self, rows: Tensor) -> tuple[Tensor, Tensor, tuple[list[int], list[int]]]:
        """`rows` in the order of their owners; which of its rows every process asks this one for; how many to and from each."""
        world = self._group.world
        order = torch.argsort(rows % world, stable=True)
        counts = self._group.counts(torch.bincount(rows % world, minlength=world))
        return order, self._group.swapped((rows // world)[order], *counts), counts

    def settle(self) -> None:
        """Collect the rows that had gradients into every process's model."""
        for name, shard in sorted(self.moving.items()):
            mine = self._given[name].nonzero()[:, 0]
            rows = self._group.collected(mine * self._group.world + self._group.rank)
            values = self._group.collected(shard.detach()[mine])
            self._model.tensors[name][rows.to(CPU)] = values.to(CPU)


class Shared:
    """A model computed by a group; see `ratoon.training.hosting.Compute`.

    Args:
        moving: names of the tensors that may move.
    """

    def __init__(
        self, model: Model, moving: Iterable[str], settings: TrainingSettings, device: torch.device, group: Group
    ) -> None:
        moving, self._group, self.device = list(moving), group, device
        tables = ShardedRows(model, moving, group, CPU if settings.tables == "host" else device)
        self._own = CutOut(model, moving, tables, settings, device)
        self.moving: Mapping[str, Tensor] = self._own.moving
        self._layers = [tensor for name, tensor in self.moving.items() if not name.startswith("table.")]

    def share(self, rows: Tensor) -> Tensor:
        """See `Compute`."""
        return self._own.share(rows)

    def prepare(self, users: Encoded, items: Encoded) -> Sides:
        """This process's part."""
        sizes = len(next(iter(users.values()))), len(next(iter(items.values())))
        mine = [
            {name: column[self._group.part(size)] for name, column in inputs.items()}
            for inputs, size in zip((users, items), sizes, strict=True)
        ]
        return replace(self._own.prepare(*mine), sizes=sizes)

    def vectors(self, sides: Sides) -> tuple[Tensor, Tensor]:
        """Everybody's vectors; gradients flow into this process's part."""
        users, items = self._own.vectors(sides)
        return self._whole(users, sides.sizes[0]), self._whole(items, sides.sizes[1])

    def _whole(self, part: Tensor, size: int) -> Tensor:
        whole: Tensor = _Whole.apply(part, self._group, size)  # type: ignore[no-untyped-call]
        return whole

    def return_gradients(self) -> None:
        """See `Compute`."""
        self._own.return_gradients()
        self._group.add_up([tensor.grad for tensor in self._layers if tensor.grad is not None])

    def summed(self, value: Tensor) -> Tensor:
        """See `Compute`."""
        total = value.clone()
        self._group.add_up([total])
        return total

    def agree(self, value: Tensor) -> float:
        """The leader's."""
        agreed = value.clone()
        self._group.copy_leaders(agreed)
        return float(agreed)

    def settle(self) -> None:
        """See `Compute`; of layers, which all have moved alike, the leader's are taken."""
        for tensor in self._layers:
            self._group.copy_leaders(tensor.detach())
        self._own.settle()


class _Whole(torch.autograd.Function):
    """`Group.whole`, whose gradient is the part's: every process has the gradients of the whole, so none are added up."""

    @staticmethod
    def forward(ctx: FunctionCtx, part: Tensor, group: Group, size: int) -> Tensor:
        ctx.part = group.part(size)  # type: ignore[attr-defined]
        return group.whole(part, size)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.part], None, None  # type: ignore[attr-defined]
