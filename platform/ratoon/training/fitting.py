"""Steps, passes and the mask: how a model's tensors move, and which of them may."""

from collections.abc import Mapping
from math import inf

import torch
from torch import Tensor

from ratoon.domain.errors import DataError
from ratoon.durable import fault_point
from ratoon.training.devices import CPU
from ratoon.training.examples import Examples, Items
from ratoon.training.freedom import Mask
from ratoon.training.hosting import Compute, InPlace
from ratoon.training.model import Model
from ratoon.training.optimisers import DenseAdam, RowAdam, State
from ratoon.training.origins import Origins
from ratoon.training.settings import TrainingSettings
from ratoon.training.steps import Step, Steps

SHORT = 1e-12
"""A gradient shorter than this is not divided by its length."""

MADE, SOURCE = "steps made", "random state"


class Fitting:
    """One model learning one lesson; owns the optimisers, whose memory ends with it.

    Attributes:
        origins: the way back of what it moves.

    Args:
        model: its tensors are moved in place.
        mask: what may move.
        negatives: the live items, drawn from uniformly.
        share: each item's share of the interactions, by its row in the item vocabulary.
        source: of every random choice.
        compute: where the model is computed; by default in place, on the processor.
        steps: those over which learning rates fall evenly to nothing; 0 where they stay.
    """

    def __init__(
        self,
        model: Model,
        mask: Mask,
        negatives: Items,
        share: Tensor,
        settings: TrainingSettings,
        source: torch.Generator,
        compute: Compute | None = None,
        steps: int = 0,
    ) -> None:
        self._compute = compute or InPlace(model, mask, settings, CPU)
        hidden = (len(model.tensors.get("user.w1", ())), len(model.tensors.get("item.w1", ())))
        self._steps = Steps(model.schema, negatives, share, settings, self._compute, hidden)
        self._source, self._moving = source, self._compute.moving
        self._mask = {name: None if rows is None else self._compute.share(rows) for name, rows in mask.items()}
        self.origins = Origins(self._moving)
        self._settings, self._made, self._last = settings, 0, steps
        self._optimisers = _optimisers(self._moving, settings)

    def epoch(self, examples: Examples) -> float:
        """Learn every example once, in a new order; return the mean loss."""
        steps, losses = self._steps.shuffled(examples, self._source), list[Tensor]()
        step = next(steps, None)
        while step is not None:
            fault_point("training.step")
            loss = self._gradients(step)
            # Prepared while a GPU is still busy with the step before it.
            following = next(steps, None)
            self._move(loss, len(step))
            losses.append(loss)
            step = following
        return self._compute.agree(torch.stack(losses).mean())

    def judged(self, examples: Examples, source: torch.Generator) -> dict[str, float]:
        """The means of `Steps.judged` on `examples`, without learning them; the same `source` draws the same negatives."""
        with torch.no_grad():
            told = [(self._steps.judged(step), mass) for step, mass in self._steps.ordered(examples, source)]
        sums = {name: torch.stack([judged[name] * mass for judged, mass in told]).sum() for name in told[0][0]}
        return {name: self._compute.agree(total / examples.mass) for name, total in sums.items()}

    def settle(self) -> None:
        """Bring what was learnt into the model, wherever it was computed."""
        self._compute.settle()

    def _gradients(self, step: Step) -> Tensor:
        for tensor in self._moving.values():
            tensor.grad = None
        loss = self._steps.loss(step)
        torch.autograd.backward(loss)
        return loss.detach()

    def _move(self, loss: Tensor, size: int) -> None:
        if not torch.isfinite(loss):
            raise DataError(
                "training loss",
                expected="a finite number",
                found=f"{loss.item()} on a batch of {size} interactions",
                fix="Look for extreme features and labels in the newest rows, or lower training.lr_rows and training.lr_dense.",
            )
        self._compute.return_gradients()
        self._hold_frozen_rows()
        self._shorten()
        left = max(0.0, 1 - self._made / self._last) if self._last else 1.0
        self._made += 1
        for optimiser in self._optimisers:
            optimiser.step(left * min(1.0, self._made / max(self._settings.warmup, 1)))

    def _hold_frozen_rows(self) -> None:
        """Take frozen rows out of the gradients, so that not even an optimiser's memory of them can move them."""
        for name, rows in self._mask.items():
            gradient = self._moving[name].grad
            if gradient is None or not gradient.is_sparse:
                continue
            gradient = gradient.coalesce()
            if rows is not None:
                free = rows[gradient.indices()[0]]
                gradient = torch.sparse_coo_tensor(
                    gradient.indices()[:, free],
                    gradient.values()[free],
                    gradient.shape,
                    is_coalesced=True,
                    check_invariants=False,
                )
            self._moving[name].grad = gradient
            self.origins.about_to_move(name, gradient.indices()[0])

    def _shorten(self) -> None:
        """Scale all gradients down together if they are longer than is let pass."""
        if self._settings.gradient_norm == inf:
            return
        gradients = {name: tensor.grad for name, tensor in self._moving.items() if tensor.grad is not None}
        layers = [gradient for gradient in gradients.values() if not gradient.is_sparse]
        # Of coalesced gradients, the values are a view: what is scaled is the gradient.
        rows = [gradient.values() for gradient in gradients.values() if gradient.is_sparse]
        none = torch.zeros((), device=self._compute.device)
        squares = [sum((part.square().sum() for part in parts), start=none) for parts in (layers, rows)]
        length = torch.sqrt(squares[0] + self._compute.summed(squares[1]))
        for part in (*layers, *rows):
            part.mul_((self._settings.gradient_norm / length.clamp_min(SHORT)).clamp_max(1.0).to(part.device))

    def state(self) -> dict[str, Tensor]:
        """All that a fitting of the same lesson needs to go on from here, but for `origins`; in the processor's memory."""
        return self.memory() | {MADE: torch.tensor([self._made]), SOURCE: self._source.get_state()}

    def resume(self, state: State) -> None:
        """Go on from `state`, of a fitting of the same lesson."""
        self.recall(state)
        self._made = int(state[MADE])
        self._source.set_state(state[SOURCE])

    def memory(self) -> dict[str, Tensor]:
        """What the optimisers remember."""
        return {name: tensor for optimiser in self._optimisers for name, tensor in optimiser.state().items()}

    def recall(self, memory: State) -> None:
        """Begin with what optimisers remember of another lesson."""
        for optimiser in self._optimisers:
            optimiser.load(memory)

    def release(self) -> None:
        """Let the model's tensors be plain values again."""
        for tensor in self._moving.values():
            tensor.requires_grad_(False)
            tensor.grad = None


def _optimisers(moving: Mapping[str, Tensor], settings: TrainingSettings) -> list[DenseAdam | RowAdam]:
    rows = {name: tensor for name, tensor in moving.items() if name.startswith("table.")}
    dense = {name: tensor for name, tensor in moving.items() if not name.startswith("table.")}
    decay = settings.weight_decay if settings.optimiser == "adamw" else 0.0
    return [RowAdam(rows, settings.lr_rows), DenseAdam(dense, settings.lr_dense, decay)]
