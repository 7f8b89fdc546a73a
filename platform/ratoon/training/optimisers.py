"""Adam for shared layers and for learned rows, as `torch.optim` computes it, without that module's classes.

Their first step loads torch's compiler, several CPU seconds that a small refresh would pay for nothing, and the sparse one
reads and adds whole tables' masks where rows are enough.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam

from ratoon.training.devices import CPU
from ratoon.training.row_memory import RowMemory

BETAS = (0.9, 0.999)
EPS = 1e-8

State = Mapping[str, Tensor]
"""What an optimiser remembers, in the processor's memory: `NAME/mean`, `NAME/square` and `NAME/steps` of each tensor, and for
a table `NAME/rows`, the rows that the moments are of in the order they were met."""


class DenseAdam:
    """Adam (Kingma and Ba 2015) over tensors with dense gradients.

    Args:
        tensors: by name.
        decay: decoupled weight decay (AdamW, Loshchilov and Hutter 2019); 0 for none.
    """

    def __init__(self, tensors: Mapping[str, Tensor], lr: float, decay: float) -> None:
        self._tensors, self._lr, self._decay = dict(tensors), lr, decay
        self._means = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
        self._squares = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
        # One kernel for all of them, where a launch costs more than the arithmetic. It counts its steps on the GPU.
        self._fused = bool(tensors) and all(tensor.is_cuda for tensor in tensors.values())
        self._steps = {name: torch.zeros((), device=tensor.device if self._fused else CPU) for name, tensor in tensors.items()}

    @torch.no_grad()
    def step(self, share: float = 1.0) -> None:
        """Move every tensor that has a gradient, at this share of the learning rate."""
        gradients = {name: gradient for name, tensor in self._tensors.items() if (gradient := tensor.grad) is not None}
        adam(
            [self._tensors[name] for name in gradients],
            list(gradients.values()),
            [self._means[name] for name in gradients],
            [self._squares[name] for name in gradients],
            [],
            [self._steps[name] for name in gradients],
            fused=self._fused or None,
            decoupled_weight_decay=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self._lr * share,
            weight_decay=self._decay,
            eps=EPS,
            maximize=False,
        )

    def state(self) -> dict[str, Tensor]:
        """See `State`."""
        kept: dict[str, Tensor] = {}
        for name in self._tensors:
            parts = {"mean": self._means[name], "square": self._squares[name], "steps": self._steps[name].reshape(1)}
            kept |= {f"{name}/{part}": tensor.to(CPU, copy=True) for part, tensor in parts.items()}
        return kept

    def load(self, state: State) -> None:
        """Go on from `state`; a tensor that is not there, or had another shape, begins anew."""
        for name, tensor in self._tensors.items():
            mean = state.get(f"{name}/mean")
            if mean is not None and mean.shape == tensor.shape:
                self._means[name].copy_(mean)
                self._squares[name].copy_(state[f"{name}/square"])
                self._steps[name].copy_(state[f"{name}/steps"][0])


class RowAdam:
    """Adam over the rows of tables that a sparse gradient names; all other rows and their moments stay as they are.

    Moments are kept for rows that had a gradient, so a step and the room for it follow those rows and not the tables.
    """

    def __init__(self, tables: Mapping[str, Tensor], lr: float) -> None:
        self._tables, self._lr = dict(tables), lr
        self._moments = {name: RowMemory(table.detach(), 2) for name, table in tables.items()}
        self._steps = dict.fromkeys(tables, 0)

    @torch.no_grad()
    def step(self, share: float = 1.0) -> None:
        """Move the rows that have a gradient, at this share of the learning rate."""
        for name, table in self._tables.items():
            if table.grad is None:
                continue
            self._steps[name] += 1
            gradient, moments = table.grad.coalesce(), self._moments[name]
            rows, values = gradient.indices()[0], gradient.values()
            at, _ = moments.places(rows)
            mean, square = moments.column(0)[at], moments.column(1)[at]
            mean += (values - mean) * (1 - BETAS[0])
            square += (values.pow(2) - square) * (1 - BETAS[1])
            moments.column(0)[at], moments.column(1)[at] = mean, square
            steps = self._steps[name]
            size = self._lr * share * (1 - BETAS[1] ** steps) ** 0.5 / (1 - BETAS[0] ** steps)
            table[rows] += -size * (mean / (square.sqrt() + EPS))

    def state(self) -> dict[str, Tensor]:
        """See `State`."""
        kept: dict[str, Tensor] = {}
        for name, moments in self._moments.items():
            parts = {"rows": moments.rows, "mean": moments.column(0), "square": moments.column(1)}
            kept |= {f"{name}/{part}": tensor.to(CPU, copy=True) for part, tensor in parts.items()}
            kept[f"{name}/steps"] = torch.tensor([float(self._steps[name])])
        return kept

    def load(self, state: State) -> None:
        """Go on from `state`; a table that is not there begins anew."""
        for name, moments in self._moments.items():
            if f"{name}/rows" in state:
                at, _ = moments.places(state[f"{name}/rows"].to(moments.rows.device))
                moments.column(0)[at] = state[f"{name}/mean"].to(moments.rows.device)
                moments.column(1)[at] = state[f"{name}/square"].to(moments.rows.device)
                self._steps[name] = int(state[f"{name}/steps"])
