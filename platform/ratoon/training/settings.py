"""Everything that can be set about learning, with the reason for each default."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ratoon.domain.errors import UsageError
from ratoon.domain.release import Metric

Objective = Literal["softmax", "bce", "mse"]
"""What a pair of user and item is taught.

softmax  the item of an interaction outscores the batch's other items and uniform draws, corrected for how often each is drawn
bce      the probability of a click: label `value` > 0, uniform draws count as not clicked
mse      the label `value` itself, for observed pairs only: matrix factorisation
"""

Progress = Callable[[str, float], None]
"""Told what is being done and how much of it is done, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the towers are built and taught. The defaults are the best found on MovieLens-100K and MovieTweetings-100k.

    Attributes:
        dim: length of the vectors, and of the learned rows of ids and histories.
        small: length of the learned rows of everything else.
        hidden: width of each tower's hidden layer.
        temperature: what the scores are divided by in the softmax.
        batch: interactions per step.
        negatives: items drawn uniformly from the catalogue per step, shared by the batch.
        epochs: most passes over the data under a full plan; fewer when the fit rows' loss stops falling.
        passes: passes over new and replayed rows under a rows plan.
        lr_dense: learning rate of the shared layers.
        lr_rows: learning rate of the learned rows.
        weight_decay: of the shared layers, with optimiser `adamw` only.
        id_dropout: share of ids replaced by the unknown id's row while learning, so that unseen ids live on their features.
        absorb_bound: most a row or tensor may move while absorbing, relative to its own length.
        threads: of torch, on the processor; part of what makes results repeat. Steps are short, and threads that wait for each
            other at every one of them are many times slower than one when something else, such as the server, is busy.
        objective: see `Objective`; `bce` and `mse` teach the plain inner product, so they need metric `dot`.
        metric: how vectors are compared, and so whether towers normalise them.
        optimiser: of the shared layers. Learned rows always use sparse Adam.
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.
    """

    dim: int = 64
    small: int = 16
    hidden: int = 128
    temperature: float = 0.1
    batch: int = 512
    negatives: int = 256
    epochs: int = 3
    passes: int = 1
    lr_dense: float = 1e-3
    lr_rows: float = 1e-2
    weight_decay: float = 0.01
    id_dropout: float = 0.1
    absorb_bound: float = 0.1
    threads: int = 1
    objective: Objective = "softmax"
    metric: Metric = "cosine"
    optimiser: Literal["adam", "adamw"] = "adam"
    device: Literal["cpu", "cuda", "auto"] = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name in ("dim", "small", "hidden", "batch", "epochs", "passes", "threads"):
            self._refuse(name, getattr(self, name) < 1, "at least 1")
        for name in ("temperature", "lr_dense", "lr_rows"):
            self._refuse(name, not getattr(self, name) > 0, "more than 0")
        for name in ("negatives", "weight_decay", "absorb_bound"):
            self._refuse(name, not getattr(self, name) >= 0, "0 or more")
        self._refuse("id_dropout", not 0 <= self.id_dropout < 1, "at least 0 and below 1")
        self._refuse("metric", self.objective != "softmax" and self.metric != "dot", f"dot for objective {self.objective}")

    def _refuse(self, name: str, wrong: bool, expected: str) -> None:
        if wrong:
            raise UsageError(
                f"training.{name}",
                expected=expected,
                found=repr(getattr(self, name)),
                fix="Change the setting in the configuration's training section.",
            )
