"""What a lesson's tensors were before it moved them: of tables only the rows that it did move."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ratoon.training.freedom import bounded
from ratoon.training.row_memory import RowMemory

Snapshot = Mapping[str, tuple[Tensor | None, Tensor]]
"""Tensor name -> which rows of it, or None for all of it; and their values."""


class Origins:
    """The way back of the tensors that a lesson moves.

    Args:
        moving: tensor name -> the tensor. Those called `table.*` move by rows, under sparse gradients.
    """

    def __init__(self, moving: Mapping[str, Tensor]) -> None:
        self._moving = moving
        self._dense = {name: tensor.detach().clone() for name, tensor in moving.items() if not name.startswith("table.")}
        self._tables = {name: RowMemory(tensor.detach(), 1) for name, tensor in moving.items() if name.startswith("table.")}

    @torch.no_grad()
    def about_to_move(self, name: str, rows: Tensor) -> None:
        """Remember these rows of a table, each named once, if they have not moved before."""
        memory = self._tables[name]
        places, new = memory.places(rows)
        memory.column(0)[places[new]] = self._moving[name][rows[new]]

    @torch.no_grad()
    def snapshot(self) -> Snapshot:
        """The values, as they are now, of everything that may have moved."""
        dense = {name: (None, self._moving[name].detach().clone()) for name in self._dense}
        return dense | {
            name: (memory.rows.clone(), self._moving[name].detach()[memory.rows]) for name, memory in self._tables.items()
        }

    @torch.no_grad()
    def restore(self, snapshot: Snapshot) -> None:
        """Bring back what `snapshot` saw; rows that moved only later are what they were before the lesson."""
        for name, memory in self._tables.items():
            self._moving[name][memory.rows] = memory.column(0)
        for name, (rows, values) in snapshot.items():
            device = self._moving[name].device
            self._moving[name][slice(None) if rows is None else rows.to(device)] = values.to(device)

    def resume(self, now: Snapshot) -> None:
        """Go to what another lesson, which began as this one did, had come to."""
        for name, (rows, _) in now.items():
            if rows is not None:
                self.about_to_move(name, rows.to(self._moving[name].device))
        self.restore(now)

    @torch.no_grad()
    def bound(self, most: float, free: Mapping[str, Tensor]) -> None:
        """Pull back every row, and every other tensor, that is further away than `most` times its length before the lesson.

        Args:
            free: table name -> whether each of its rows may go anywhere; shape (rows,). No row of a table that is absent may.
        """
        for name, before in self._dense.items():
            self._moving[name].copy_(bounded(before, self._moving[name], most, by_row=False))
        for name, memory in self._tables.items():
            rows, before = memory.rows, memory.column(0)
            if name in free:
                held = ~free[name][rows]
                rows, before = rows[held], before[held]
            self._moving[name][rows] = bounded(before, self._moving[name][rows], most, by_row=True)
