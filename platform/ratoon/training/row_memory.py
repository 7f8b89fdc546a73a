"""What is kept beside the rows of a table that have been met: room and time follow those rows and not the table."""

import torch
from torch import Tensor


class RowMemory:
    """Vectors kept for rows of one table, in the order the rows were first met, so that what is saved of it only grows.

    Args:
        table: shape (rows, width).
        columns: how many vectors of that width are kept for each row; they begin as zeros.
    """

    def __init__(self, table: Tensor, columns: int) -> None:
        # A row's place plus one: zeros, unlike any other number, cost next to nothing to ask for.
        self._places = torch.zeros(len(table), dtype=torch.int64, device=table.device)
        self._rows = torch.zeros(0, dtype=torch.int64, device=table.device)
        self._columns = [torch.zeros(0, table.shape[1], dtype=table.dtype, device=table.device) for _ in range(columns)]
        self._count = 0

    def __len__(self) -> int:
        """How many rows have been met."""
        return self._count

    @property
    def rows(self) -> Tensor:
        """The rows that have been met, in that order; shape (n,), int64."""
        return self._rows[: self._count]

    def column(self, number: int) -> Tensor:
        """What is kept for them, to be read and written at their places; shape (n, width)."""
        return self._columns[number][: self._count]

    def places(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Meet `rows`, each named once: the place of each, and whether this was the first time. Shapes (n,)."""
        found = self._places[rows] - 1
        new = found < 0
        newcomers = rows[new]
        if len(newcomers):
            start, self._count = self._count, self._count + len(newcomers)
            self._make_room()
            self._rows[start : self._count] = newcomers
            found[new] = torch.arange(start, self._count, device=rows.device)
            self._places[newcomers] = found[new] + 1
        return found, new

    def _make_room(self) -> None:
        if self._count > len(self._rows):
            more = max(self._count, 2 * len(self._rows)) - len(self._rows)
            self._rows = torch.cat([self._rows, self._rows.new_zeros(more)])
            self._columns = [torch.cat([column, column.new_zeros(more, column.shape[1])]) for column in self._columns]
