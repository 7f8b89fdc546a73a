"""Everything that can be set about learning, with the reason for each default."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
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
        logq: how much of the softmax's logQ correction is made. At 1 the towers learn how likely an item is; at 0 by how much
            likelier it is for this user than for others, so that popularity is left to the traits that go with the vectors
            (`ratoon.domain.popularity`). In the first 60 % of MovieTweetings-100k a full training is a little better at 0 with
            weights of traits that suit it (recall@50 .461 against .457), and rows refreshes wear it down: over twelve of them
            the release before was better at 1 on every slice, by .01 on average, and at 0 the gate refused the last three.
        batch: interactions per step.
        negatives: items drawn uniformly from the catalogue per step, shared by the batch.
        epochs: most passes over the data under a full plan; fewer when the fit rows' loss stops falling.
        passes: passes over new and replayed rows under a rows plan.
        lr_dense: learning rate of the shared layers.
        lr_rows: learning rate of the learned rows.
        weight_decay: of the shared layers, with optimiser `adamw` only.
        warmup: steps of a lesson over which learning rates rise evenly from 1 / warmup of themselves; 0 for none.
        dropout: share of the hidden layers' units left out while learning, each vector its own (Srivastava et al. 2014).
        gradient_norm: length at which a step's gradient, of all layers and rows together, is cut off (Pascanu et al. 2013);
            infinite for never. At 1, when learning from nothing, it raised recall@50 on MovieTweetings-100k by 0.0044 of 0.3947,
            and kept attention from learning in a world where all depends on where to look: so it is not the default.
        row_bound: most a row or tensor may move in a refresh, relative to its own length; rows that are new go anywhere.
        warm_optimiser: whether a release carries what the optimisers remember, for refreshes to go on from.
        id_dropout: share of ids replaced by the unknown id's row while learning, so that unseen ids live on their features.
        newcomers: share of items shown while learning as if nobody had met them yet: without id, and without what is folded from
            interactions (DropoutNet, Volkovs et al. 2017), so that an item of few events is ranked by what it is. Above 0,
            an item that gets a row goes on as an unknown one until somebody has had it, and not as what being drawn as a negative
            makes of it.
        absorb_bound: most a row or tensor may move while absorbing, relative to its own length.
        threads: of torch, on the processor; part of what makes results repeat. Steps are short, and threads that wait for each
            other at every one of them are many times slower than one when something else, such as the server, is busy.
        objective: see `Objective`; `bce` and `mse` teach the plain inner product, so they need metric `dot`.
        metric: how vectors are compared, and so whether towers normalise them.
        optimiser: of the shared layers. Learned rows always use sparse Adam.
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.
        precision: of the towers' matrix products; everything else is float32.
        tables: where learned rows are kept: on the device, or in the processor's memory, from where the device gets those of
            each batch, because there are more than it can hold.
    """

    dim: int = 64
    small: int = 16
    hidden: int = 128
    temperature: float = 0.1
    logq: float = 1.0
    batch: int = 512
    negatives: int = 256
    epochs: int = 3
    passes: int = 1
    lr_dense: float = 1e-3
    lr_rows: float = 1e-2
    weight_decay: float = 0.01
    warmup: int = 0
    dropout: float = 0.0
    gradient_norm: float = inf
    row_bound: float = inf
    warm_optimiser: bool = False
    id_dropout: float = 0.1
    newcomers: float = 0.0
    absorb_bound: float = 0.1
    threads: int = 1
    objective: Objective = "softmax"
    metric: Metric = "cosine"
    optimiser: Literal["adam", "adamw"] = "adam"
    device: Literal["cpu", "cuda", "auto"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"
    tables: Literal["device", "host"] = "device"

    def __post_init__(self) -> None:
        """Refuse what cannot be trained with."""
        for name in ("dim", "small", "hidden", "batch", "epochs", "passes", "threads"):
            self._refuse(name, getattr(self, name) < 1, "at least 1")
        for name in ("temperature", "lr_dense", "lr_rows", "gradient_norm", "row_bound"):
            self._refuse(name, not getattr(self, name) > 0, "more than 0")
        for name in ("negatives", "weight_decay", "absorb_bound", "warmup"):
            self._refuse(name, not getattr(self, name) >= 0, "0 or more")
        for name in ("id_dropout", "newcomers", "dropout"):
            self._refuse(name, not 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        self._refuse("logq", not 0 <= self.logq <= 1, "from 0 to 1")
        self._refuse("metric", self.objective != "softmax" and self.metric != "dot", f"dot for objective {self.objective}")

    def _refuse(self, name: str, wrong: bool, expected: str) -> None:
        if wrong:
            raise UsageError(
                f"training.{name}",
                expected=expected,
                found=repr(getattr(self, name)),
                fix="Change the setting in the configuration's training section.",
            )
