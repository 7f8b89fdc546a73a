"""A step's batch, from the lesson's encoded rows to a loss: ids forgotten, negatives drawn, sent where it is computed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ratoon.domain.schema import TowerSchema
from ratoon.training.devices import sent
from ratoon.training.examples import Encoded, Examples, Items
from ratoon.training.forward import KEPT
from ratoon.training.hosting import Compute, Sides
from ratoon.training.losses import bce_loss, gain, log_mixture, mse_loss, softmax_loss
from ratoon.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Step:
    """A batch and its draws, where they are computed.

    Attributes:
        wanted, candidates: identities of each user's own item, and of the candidates; see `softmax_loss`.
        value, weight: see `Examples`.
        log_q: see `softmax_loss`; None for the other objectives.
    """

    sides: Sides
    wanted: Tensor
    candidates: Tensor
    value: Tensor
    weight: Tensor | None
    log_q: Tensor | None

    def __len__(self) -> int:
        """Interactions in the batch."""
        return len(self.value)


class Steps:
    """What a lesson's steps have in common.

    Args:
        negatives: the live items, drawn from uniformly.
        share: each item's share of the interactions, by its row in the item vocabulary.
        hidden: how many hidden units the towers of users and of items have; 0 for one without layers.
        compute: where to.
    """

    def __init__(
        self,
        schema: TowerSchema,
        negatives: Items,
        share: Tensor,
        settings: TrainingSettings,
        compute: Compute,
        hidden: tuple[int, int],
    ) -> None:
        self._ids = [feature.name for feature in (*schema.user, *schema.item) if feature.kind == "id"]
        self._negatives, self._share, self._settings, self._compute = negatives, share, settings, compute
        self._hidden = hidden

    def shuffled(self, examples: Examples, source: torch.Generator) -> Iterator[Step]:
        """Every example once, in a new order, with some ids forgotten, so that row 0 learns to stand for ids never seen."""
        order = sent(torch.randperm(len(examples), generator=source), examples.value.device)
        for rows in torch.split(order, self._settings.batch):
            batch = examples.take(rows)
            users, inputs = self._forgotten(batch.users, source), self._forgotten(batch.items.inputs, source)
            yield self._step(replace(batch, users=users, items=Items(inputs, batch.items.codes)), source, self._settings.dropout)

    def ordered(self, examples: Examples, source: torch.Generator) -> Iterator[tuple[Step, float]]:
        """Every example once, as they lie, with the mass of each step's."""
        rows = torch.arange(len(examples), device=examples.value.device)
        for part in torch.split(rows, self._settings.batch):
            batch = examples.take(part)
            yield self._step(batch, source), batch.mass

    def loss(self, step: Step) -> Tensor:
        """What the step teaches; a scalar."""
        return self._loss(step, *self._compute.vectors(step.sides))

    def judged(self, step: Step) -> dict[str, Tensor]:
        """Its loss by the name of `fit`, and under `softmax` its `gain`; scalars."""
        users, items = self._compute.vectors(step.sides)
        judged = {"fit": self._loss(step, users, items)}
        if self._settings.objective == "softmax":
            judged["gain"] = gain(users, items, step.wanted, step.candidates, step.weight)
        return judged

    def _loss(self, step: Step, users: Tensor, items: Tensor) -> Tensor:
        if step.log_q is not None:
            temperature = self._settings.temperature
            return softmax_loss(users, items, step.wanted, step.candidates, step.log_q, temperature, step.weight)
        if self._settings.objective == "bce":
            return bce_loss(users, items, step.value, step.wanted, step.candidates, step.weight)
        return mse_loss(users, items, step.value, step.weight)

    def _step(self, batch: Examples, source: torch.Generator, dropout: float = 0.0) -> Step:
        settings, candidates, log_q = self._settings, batch.items, None
        draws = settings.negatives if settings.objective != "mse" and len(self._negatives) else 0
        if draws:
            drawn = torch.randint(len(self._negatives), (draws,), generator=source)
            candidates = candidates.followed_by(self._negatives.take(sent(drawn, candidates.codes.device)))
        device = self._compute.device
        if settings.objective == "softmax":
            mixture = log_mixture(self._share[candidates.codes], len(batch), draws, len(self._negatives))
            log_q = sent(settings.logq * mixture, device)
        return Step(
            sides=self._compute.prepare(
                self._thinned(batch.users, self._hidden[0], dropout, source),
                self._thinned(candidates.inputs, self._hidden[1], dropout, source),
            ),
            wanted=sent(batch.items.codes, device),
            candidates=sent(candidates.codes, device),
            value=sent(batch.value, device),
            weight=None if batch.weight is None else sent(batch.weight, device),
            log_q=log_q,
        )

    def _thinned(self, inputs: Encoded, hidden: int, dropout: float, source: torch.Generator) -> Encoded:
        """The inputs with which of the hidden units they leave out, if there are to be any."""
        if not dropout:
            return inputs
        first = next(iter(inputs.values()))
        kept = torch.rand(len(first), hidden, generator=source) >= dropout
        return {**inputs, KEPT: sent(kept.float() / (1 - dropout), first.device)}

    def _forgotten(self, inputs: Encoded, source: torch.Generator) -> Encoded:
        forgotten = dict(inputs)
        for name in (name for name in self._ids if name in inputs):
            drop = torch.rand(len(inputs[name]), generator=source) < self._settings.id_dropout
            forgotten[name] = inputs[name].masked_fill(sent(drop, inputs[name].device), 0)
        return forgotten
