"""Adam for shared layers and for learned rows, as `torch.optim` computes it, without that module's classes.

Their first step loads torch's compiler, several CPU seconds that a small refresh would pay for nothing, and the sparse one
reads and adds whole tables' masks where rows are enough.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
EPS = 1e-8


class DenseAdam:
    """Adam (Kingma and Ba 2015) over tensors with dense gradients.

    Args:
        decay: decoupled weight decay (AdamW, Loshchilov and Hutter 2019); 0 for none.
    """

    def __init__(self, tensors: Sequence[Tensor], lr: float, decay: float) -> None:
        self._tensors, self._lr, self._decay = list(tensors), lr, decay
        self._means = [torch.zeros_like(tensor) for tensor in self._tensors]
        self._squares = [torch.zeros_like(tensor) for tensor in self._tensors]
        self._steps = [torch.zeros(()) for _ in self._tensors]

    @torch.no_grad()
    def step(self) -> None:
        """Move every tensor that has a gradient."""
        moved = [place for place, tensor in enumerate(self._tensors) if tensor.grad is not None]
        adam(
            [self._tensors[place] for place in moved],
            [gradient for tensor in self._tensors if (gradient := tensor.grad) is not None],
            [self._means[place] for place in moved],
            [self._squares[place] for place in moved],
            [],
            [self._steps[place] for place in moved],
            decoupled_weight_decay=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self._lr,
            weight_decay=self._decay,
            eps=EPS,
            maximize=False,
        )


class RowAdam:
    """Adam over the rows of tables that a sparse gradient names; the moments of all other rows stay as they are."""

    def __init__(self, tables: Sequence[Tensor], lr: float) -> None:
        self._tables, self._lr = list(tables), lr
        self._means = [torch.zeros_like(table) for table in self._tables]
        self._squares = [torch.zeros_like(table) for table in self._tables]
        self._steps = [0] * len(self._tables)

    @torch.no_grad()
    def step(self) -> None:
        """Move the rows that have a gradient."""
        for place, table in enumerate(self._tables):
            if table.grad is None:
                continue
            self._steps[place] += 1
            gradient = table.grad.coalesce()
            rows, values = gradient.indices()[0], gradient.values()
            mean, square = self._means[place][rows], self._squares[place][rows]
            mean += (values - mean) * (1 - BETAS[0])
            square += (values.pow(2) - square) * (1 - BETAS[1])
            self._means[place][rows], self._squares[place][rows] = mean, square
            steps = self._steps[place]
            size = self._lr * (1 - BETAS[1] ** steps) ** 0.5 / (1 - BETAS[0] ** steps)
            table[rows] += -size * (mean / (square.sqrt() + EPS))
