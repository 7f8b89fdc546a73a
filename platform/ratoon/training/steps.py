"""A step's batch, from the lesson's encoded rows to a loss: ids forgotten, negatives drawn, sent where it is computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ratoon.domain.schema import Entity, TowerSchema
from ratoon.training.devices import sent
from ratoon.training.examples import Encoded, Examples, Items
from ratoon.training.forward import KEPT, TOLD
from ratoon.training.hosting import Compute, Sides
from ratoon.training.losses import bce_loss, gain, imitation_loss, log_mixture, mse_loss, softmax_loss
from ratoon.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True)
class Step:
    """A batch and its draws, where they are computed.

    Attributes:
        wanted, candidates: identities of each user's own item, and of the candidates; see `softmax_loss`.
        value, weight: see `Examples`.
        log_q: see `softmax_loss`; None for the other objectives.
        told: what teachers see, see `imitation_loss`; None without any.
    """

    sides: Sides
    wanted: Tensor
    candidates: Tensor
    value: Tensor
    weight: Tensor | None
    log_q: Tensor | None
    told: tuple[Tensor, Tensor] | None

    def __len__(self) -> int:
        """Interactions in the batch."""
        return len(self.value)


class Steps:
    """What a lesson's steps have in common.

    Args:
        negatives: the live items, drawn from uniformly.
        share: each item's share of the interactions, by its row in the item vocabulary.
        compute: where to.
        imitated: how much of the loss is imitation of teachers, where examples carry what those see.
        hidden: how many hidden units each tower has that has any.
    """

    def __init__(
        self,
        schema: TowerSchema,
        negatives: Items,
        share: Tensor,
        settings: TrainingSettings,
        compute: Compute,
        imitated: float = 0.0,
        hidden: Mapping[Entity, int] | None = None,
    ) -> None:
        self._imitated, self._hidden = imitated, hidden or {}
        self._ids = [feature.name for feature in (*schema.user, *schema.item) if feature.kind == "id"]
        self._earned = [feature.name for feature in schema.item if feature.kind == "id" or feature.fold]
        self._negatives, self._share, self._settings, self._compute = negatives, share, settings, compute

    def shuffled(self, examples: Examples, source: torch.Generator) -> Iterator[Step]:
        """Every example once, in a new order, with some ids forgotten, so that row 0 learns to stand for ids never seen."""
        order = sent(torch.randperm(len(examples), generator=source), examples.value.device)
        for rows in torch.split(order, self._settings.batch):
            batch = examples.take(rows)
            users, inputs = self._forgotten(batch.users, source), self._unmet(self._forgotten(batch.items.inputs, source), source)
            yield self._step(replace(batch, users=users, items=Items(inputs, batch.items.codes)), source, self._settings.dropout)

    def ordered(self, examples: Examples, source: torch.Generator) -> Iterator[tuple[Step, float]]:
        """Every example once, as they lie, with the mass of each step's."""
        rows = torch.arange(len(examples), device=examples.value.device)
        for part in torch.split(rows, self._settings.batch):
            batch = examples.take(part)
            yield self._step(batch, source), batch.mass

    def loss(self, step: Step) -> Tensor:
        """What the step teaches; a scalar."""
        users, items = self._compute.vectors(step.sides)
        loss = self._loss(step, users, items)
        if step.told is None or step.log_q is None:
            return loss
        identities, temperature = (step.wanted, step.candidates), self._settings.temperature
        imitation = imitation_loss(users, items, step.told, *identities, step.log_q, temperature, step.weight)
        return (1 - self._imitated) * loss + self._imitated * imitation

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
                self._thinned("user", batch.users, dropout, source), self._thinned("item", candidates.inputs, dropout, source)
            ),
            wanted=sent(batch.items.codes, device),
            candidates=sent(candidates.codes, device),
            value=sent(batch.value, device),
            weight=None if batch.weight is None else sent(batch.weight, device),
            log_q=log_q,
            told=(sent(batch.users[TOLD], device), sent(candidates.inputs[TOLD], device)) if TOLD in batch.users else None,
        )

    def _thinned(self, side: Entity, inputs: Encoded, dropout: float, source: torch.Generator) -> Encoded:
        """The inputs with which of the hidden units they leave out, if there are to be any."""
        if not dropout or side not in self._hidden:
            return inputs
        first = next(iter(inputs.values()))
        kept = torch.rand(len(first), self._hidden[side], generator=source) >= dropout
        return {**inputs, KEPT: sent(kept.float() / (1 - dropout), first.device)}

    def _unmet(self, inputs: Encoded, source: torch.Generator) -> Encoded:
        """The items, some of them as they would be if nobody had met them."""
        if not self._settings.newcomers or not self._earned:
            return inputs
        drop = torch.rand(len(next(iter(inputs.values()))), generator=source) < self._settings.newcomers
        unmet = dict(inputs)
        for name in self._earned:
            column = inputs[name]
            unmet[name] = column.masked_fill(sent(drop, column.device).reshape(-1, *[1] * (column.dim() - 1)), 0)
        return unmet

    def _forgotten(self, inputs: Encoded, source: torch.Generator) -> Encoded:
        forgotten = dict(inputs)
        for name in (name for name in self._ids if name in inputs):
            drop = torch.rand(len(inputs[name]), generator=source) < self._settings.id_dropout
            forgotten[name] = inputs[name].masked_fill(sent(drop, inputs[name].device), 0)
        return forgotten
