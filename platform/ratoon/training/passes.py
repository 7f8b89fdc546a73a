"""Passes over a lesson, and when to stop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

import pyarrow as pa
import torch

from ratoon.durable import fault_point
from ratoon.ports import Lesson, Teaching
from ratoon.training.checkpoints import Checkpoint, Checkpoints, Losses
from ratoon.training.examples import Codes, Examples, Items, Seen, encode_examples, encode_items, joined
from ratoon.training.fitting import Fitting
from ratoon.training.freedom import Mask
from ratoon.training.imitation import Teachers
from ratoon.training.model import Model
from ratoon.training.origins import Snapshot
from ratoon.training.places import Place
from ratoon.training.repeatable import generator
from ratoon.training.settings import Progress, TrainingSettings


@dataclass(frozen=True, slots=True)
class Course:
    """What one model is put through.

    Attributes:
        purpose: what random choices and progress are called by.
        passes: the most passes.
        bound: the most that anything may move, relative to the length of the row of a table or of the whole of another tensor.
        newcomers: table name -> its first row without that limit.
        checkpoints: what is kept of it between passes; None for nothing.
        falls: whether learning rates fall evenly to nothing over it. What a refresh ends with is then less of a chance: steps of
            full length move a model that has learnt about as far when they teach nothing.
        teaching: whom it imitates; None for nobody.
    """

    purpose: str
    passes: int
    bound: float = inf
    newcomers: Mapping[str, int] = field(default_factory=dict)
    checkpoints: Checkpoints | None = None
    falls: bool = False
    teaching: Teaching | None = None


class Passes:
    """How one model is taken over one lesson.

    Args:
        seed: of every random choice.
        place: where models are computed.
        progress: told after each pass.
    """

    def __init__(self, settings: TrainingSettings, seed: int, place: Place, progress: Progress) -> None:
        self._settings, self._seed, self._place, self._progress = settings, seed, place, progress

    def teach(self, model: Model, mask: Mask, lesson: Lesson, course: Course) -> None:
        """Move what `mask` lets move, over the lesson's new and replayed rows shuffled together.

        With fit rows the first pass that is worse for them is the last (see `_worse`), and the weights before it are kept. The
        losses are written into the model; and, where it is kept, what the optimisers remember of the last pass.
        """
        codes = Codes.of(model.encoding, [lesson.catalogue, lesson.new, lesson.replay, lesson.fit])
        seen = Teachers(course.teaching).seen if course.teaching else None
        live = encode_items(model.schema, model.encoding, lesson.catalogue, self._place.selecting, codes, seen)
        examples = self._encoded(model, live, [lesson.new, lesson.replay], codes, seen)
        if examples is None:
            return
        # The lesson's own frequencies, counted: a counter that fades from refresh to refresh lags behind what is in fashion
        # (recall@50 on MovieTweetings-100k over nine refreshes: 0.33 counted, 0.30 fading by 0.9).
        counts = torch.bincount(examples.items.codes, minlength=len(codes))
        share = counts / len(examples)
        compute = self._place.take(model, mask)
        steps = course.passes * -(-len(examples) // self._settings.batch) if course.falls else 0
        source, imitated = generator(self._seed, course.purpose), course.teaching.share if course.teaching else 0.0
        fitting = Fitting(model, mask, live, share, self._settings, source, compute, steps, imitated)
        try:
            if self._settings.warm_optimiser:
                fitting.recall(model.memory)
            self._until_fit(model, fitting, examples, self._encoded(model, live, [lesson.fit], codes, seen), course)
            if course.bound < inf:
                free = {name: torch.arange(len(model.tensors[name])) >= first for name, first in course.newcomers.items()}
                fitting.origins.bound(course.bound, {name: compute.share(rows) for name, rows in free.items()})
            fitting.settle()
            if self._settings.warm_optimiser:
                model.memory = {**model.memory, **fitting.memory()}
        finally:
            fitting.release()

    def _until_fit(self, model: Model, fitting: Fitting, examples: Examples, fit: Examples | None, course: Course) -> None:
        best = self._resumed(model, fitting, course)
        while not _over(model.losses, course.passes):
            model.losses["train"].append(fitting.epoch(examples))
            number = len(model.losses["train"])
            self._progress(f"{course.purpose} pass {number} of {course.passes}", number / course.passes)
            if fit is not None:
                for name, value in fitting.judged(fit, generator(self._seed, "fit")).items():
                    model.losses[name].append(value)
                best = best if _worse(model.losses) else fitting.origins.snapshot()
            if course.checkpoints:
                course.checkpoints.write(Checkpoint(model.losses, fitting.origins.snapshot(), best, fitting.state()))
            fault_point("training.pass")
        if best is not None:
            fitting.origins.restore(best)

    def _resumed(self, model: Model, fitting: Fitting, course: Course) -> Snapshot | None:
        """Where a training that died has got to, brought into `fitting`; its best pass, if it had one."""
        model.losses = {"train": [], "fit": [], "gain": []}
        found, reason = course.checkpoints.read() if course.checkpoints else (None, "")
        if reason:
            self._progress(f"{course.purpose} from the beginning: {reason}", 0.0)
        if found is None:
            return None
        model.losses = found.losses
        fitting.resume(found.state)
        fitting.origins.resume(found.now)
        done = len(found.losses["train"])
        self._progress(f"{course.purpose} goes on after pass {done} of {course.passes}", done / course.passes)
        return found.best

    def _encoded(self, model: Model, live: Items, parts: list[pa.Table], codes: Codes, seen: Seen | None) -> Examples | None:
        table = joined(model.schema, parts)
        if table is None:
            return None
        return encode_examples(model.schema, model.encoding, table, live, self._settings.objective, codes, seen)


def _over(losses: Losses, passes: int) -> bool:
    return len(losses["train"]) >= passes or _worse(losses)


def _worse(losses: Losses) -> bool:
    """Whether the last pass was not the best so far on the fit rows.

    The loss alone says so too early: it rises as soon as scores grow too sure, while users' own items still rise among others as
    popular, which is what is left to the towers where popularity stands beside them. Gain alone is noisy where rows are few.
    """
    dearer = bool(losses["fit"]) and losses["fit"][-1] > min(losses["fit"])
    return dearer and (not losses["gain"] or losses["gain"][-1] < max(losses["gain"]))
