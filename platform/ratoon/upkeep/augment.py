"""Augment: the release's own history learnt again, some of its items shown as if nobody had met them yet.

A release learns of each item what its id and its counts say, and so ranks an item of few events by how few they are. Shown
without both, some of the time, the item tower learns what is wanted of items that are nothing yet but what they are (DropoutNet,
Volkovs et al. 2017). The id rows of items that nobody has had, which have learnt nothing but to be drawn as negatives, are let
go. What else was tried, and gave nothing, is in `docs/decisions/upkeep.md`.

`rows` refreshes hold the item tower as this leaves it, and so keep what it gained; `dense` and `full` ones learn by the
configuration's `training.newcomers`, which is to be set to the same where this has won.
"""

from dataclasses import dataclass
from typing import ClassVar

from ratoon.domain.errors import UsageError
from ratoon.domain.plan import RefreshPlan
from ratoon.judging import Pair
from ratoon.remaking import Remade
from ratoon.upkeep.operation import Operation
from ratoon.upkeep.relearning import Relearning
from ratoon.workshop import Task, Workshop

PLAN = RefreshPlan("full", "learnt again by upkeep")


@dataclass(frozen=True, slots=True)
class Augment(Operation):
    """See the module.

    Attributes:
        newcomers: see `ratoon.training.settings.TrainingSettings`.
    """

    name: ClassVar[str] = "augment"

    newcomers: float = 0.3

    def __post_init__(self) -> None:
        """Refuse what augments nothing, and what leaves nothing to learn."""
        if not 0 < self.newcomers < 1:
            raise UsageError("--newcomers", expected="above 0 and below 1", found=str(self.newcomers), fix="Change the option.")

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """The source's own history, learnt from nothing."""
        again, trainer = Relearning.of(shop, task, source), shop.trainer.varied({"newcomers": self.newcomers})
        model = trainer.train(PLAN, task.schema, None, again.lesson)
        told = f"learnt again, {self.newcomers:.0%} of the items shown as if nobody had met them"
        return Remade(again.absorbed(trainer, model), self.said(task, told))
