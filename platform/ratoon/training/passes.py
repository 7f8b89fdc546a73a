"""Passes over a lesson, and when to stop."""

import pyarrow as pa
import torch
from torch import Tensor

from ratoon.domain.schema import ITEM_TABLE
from ratoon.ports import Lesson
from ratoon.training.examples import Examples, Items, encode_examples, encode_items, joined
from ratoon.training.fitting import Fitting
from ratoon.training.freedom import Mask
from ratoon.training.model import Model
from ratoon.training.repeatable import generator
from ratoon.training.settings import Progress, TrainingSettings


class Passes:
    """How one model is taken over one lesson.

    Args:
        seed: of every random choice.
        progress: told after each pass.
    """

    def __init__(self, settings: TrainingSettings, seed: int, device: torch.device, progress: Progress) -> None:
        self._settings, self._seed, self._device, self._progress = settings, seed, device, progress

    def teach(self, model: Model, mask: Mask, lesson: Lesson, passes: int, purpose: str) -> None:
        """Move what `mask` lets move, over the lesson's new and replayed rows shuffled together.

        With fit rows the weights after the pass with their lowest loss are kept, and the first pass that does not lower it
        is the last. The losses are written into the model.
        """
        live = encode_items(model.schema, model.encoding, lesson.catalogue, self._device)
        examples = self._encoded(model, live, [lesson.new, lesson.replay])
        if examples is None:
            return
        # The lesson's own frequencies, counted: a counter that fades from refresh to refresh lags behind what is in fashion
        # (recall@50 on MovieTweetings-100k over nine refreshes: 0.33 counted, 0.30 fading by 0.9).
        counts = torch.bincount(examples.items.codes, minlength=len(model.encoding.vocabularies[ITEM_TABLE]))
        share = counts / len(examples)
        fitting = Fitting(model, mask, live, share, self._settings, generator(self._seed, purpose))
        try:
            self._until_fit(model, fitting, examples, self._encoded(model, live, [lesson.fit]), passes, purpose)
        finally:
            fitting.release()

    def _until_fit(
        self, model: Model, fitting: Fitting, examples: Examples, fit: Examples | None, passes: int, purpose: str
    ) -> None:
        best: dict[str, Tensor] = {}
        model.losses = {"train": [], "fit": []}
        for number in range(1, passes + 1):
            model.losses["train"].append(fitting.epoch(examples))
            self._progress(f"{purpose} pass {number} of {passes}", number / passes)
            if fit is None:
                continue
            model.losses["fit"].append(fitting.loss(fit, generator(self._seed, "fit")))
            if model.losses["fit"][-1] > min(model.losses["fit"]):
                break
            best = {name: tensor.detach().clone() for name, tensor in model.tensors.items()}
        model.tensors |= best

    def _encoded(self, model: Model, live: Items, parts: list[pa.Table]) -> Examples | None:
        table = joined(model.schema, parts)
        if table is None:
            return None
        return encode_examples(model.schema, model.encoding, table, live, self._settings.objective)
