"""Steps, passes and the mask: how a model's tensors move, and which of them may."""

from collections.abc import Mapping

import torch
from torch import Tensor

from ratoon.domain.errors import DataError
from ratoon.durable import fault_point
from ratoon.training.examples import Encoded, Examples, Items
from ratoon.training.forward import embed
from ratoon.training.freedom import Mask
from ratoon.training.losses import bce_loss, log_mixture, mse_loss, softmax_loss
from ratoon.training.model import Model
from ratoon.training.optimisers import DenseAdam, RowAdam
from ratoon.training.settings import TrainingSettings


class Fitting:
    """One model learning one lesson; owns the optimisers, whose memory ends with it.

    Args:
        model: its tensors are moved in place.
        mask: what may move.
        negatives: the live items, drawn from uniformly.
        share: each item's share of the interactions, by its row in the item vocabulary.
        source: of every random choice.
    """

    def __init__(
        self, model: Model, mask: Mask, negatives: Items, share: Tensor, settings: TrainingSettings, source: torch.Generator
    ) -> None:
        self._model, self._mask, self._negatives, self._settings = model, mask, negatives, settings
        self._share, self._source = share, source
        self._moving = {name: model.tensors[name].requires_grad_() for name in sorted(mask)}
        self._optimisers = _optimisers(self._moving, settings)

    def epoch(self, examples: Examples) -> float:
        """Learn every example once, in a new order; return the mean loss."""
        order = torch.randperm(len(examples), generator=self._source).to(examples.value.device)
        losses = [self._step(examples.take(rows)) for rows in torch.split(order, self._settings.batch)]
        return float(torch.stack(losses).mean())

    def loss(self, examples: Examples, source: torch.Generator) -> float:
        """The mean loss on `examples` without learning them; the same `source` draws the same negatives."""
        rows = torch.arange(len(examples), device=examples.value.device)
        with torch.no_grad():
            losses = [self._loss(examples.take(part), source) * len(part) for part in torch.split(rows, self._settings.batch)]
        return float(torch.stack(losses).sum()) / len(examples)

    def _step(self, batch: Examples) -> Tensor:
        fault_point("training.step")
        loss = self._loss(self._with_unknown_ids(batch), self._source)
        if not torch.isfinite(loss):
            raise DataError(
                "training loss",
                expected="a finite number",
                found=f"{loss.item()} on a batch of {len(batch)} interactions",
                fix="Look for extreme features and labels in the newest rows, or lower training.lr_rows and training.lr_dense.",
            )
        for tensor in self._moving.values():
            tensor.grad = None
        torch.autograd.backward(loss)
        self._hold_frozen_rows()
        for optimiser in self._optimisers:
            optimiser.step()
        return loss.detach()

    def _loss(self, batch: Examples, source: torch.Generator) -> Tensor:
        settings, candidates = self._settings, batch.items
        draws = settings.negatives if settings.objective != "mse" and len(self._negatives) else 0
        if draws:
            drawn = torch.randint(len(self._negatives), (draws,), generator=source)
            candidates = candidates.followed_by(self._negatives.take(drawn.to(candidates.codes.device)))
        schema, tensors = self._model.schema, self._model.tensors
        users = embed("user", schema.user, batch.users, tensors, settings.metric)
        items = embed("item", schema.item, candidates.inputs, tensors, settings.metric)
        match settings.objective:
            case "softmax":
                log_q = log_mixture(self._share[candidates.codes], len(batch), draws, len(self._negatives))
                return softmax_loss(users, items, batch.items.codes, candidates.codes, log_q, settings.temperature)
            case "bce":
                return bce_loss(users, items, batch.value, batch.items.codes, candidates.codes)
            case "mse":
                return mse_loss(users, items, batch.value)

    def _with_unknown_ids(self, batch: Examples) -> Examples:
        """The batch with some ids forgotten, so that row 0 learns to stand for ids never seen."""
        return Examples(self._forget(batch.users), Items(self._forget(batch.items.inputs), batch.items.codes), batch.value)

    def _forget(self, inputs: Encoded) -> Encoded:
        ids = [f.name for f in (*self._model.schema.user, *self._model.schema.item) if f.kind == "id" and f.name in inputs]
        forgotten = dict(inputs)
        for name in ids:
            drop = torch.rand(len(inputs[name]), generator=self._source) < self._settings.id_dropout
            forgotten[name] = inputs[name].masked_fill(drop.to(inputs[name].device), 0)
        return forgotten

    def _hold_frozen_rows(self) -> None:
        """Take frozen rows out of the gradients, so that not even an optimiser's memory of them can move them."""
        for name, rows in self._mask.items():
            gradient = self._moving[name].grad
            if rows is None or gradient is None:
                continue
            gradient = gradient.coalesce()
            free = rows[gradient.indices()[0]]
            self._moving[name].grad = torch.sparse_coo_tensor(
                gradient.indices()[:, free], gradient.values()[free], gradient.shape, is_coalesced=True, check_invariants=False
            )

    def release(self) -> None:
        """Let the model's tensors be plain values again."""
        for tensor in self._moving.values():
            tensor.requires_grad_(False)
            tensor.grad = None


def _optimisers(moving: Mapping[str, Tensor], settings: TrainingSettings) -> list[DenseAdam | RowAdam]:
    rows = [tensor for name, tensor in moving.items() if name.startswith("table.")]
    dense = [tensor for name, tensor in moving.items() if not name.startswith("table.")]
    decay = settings.weight_decay if settings.optimiser == "adamw" else 0.0
    return [RowAdam(rows, settings.lr_rows), DenseAdam(dense, settings.lr_dense, decay)]
