"""The `Trainer` port: what is built, loaded and grown under each plan before it is taught."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch

from ratoon.domain.admission import enrolled, rules
from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.evolution import changes, effect
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import TowerSchema
from ratoon.durable import fault_point
from ratoon.ports import Files, Lesson
from ratoon.training.averaging import averaged
from ratoon.training.checkpoints import Checkpoints, key_of, remove
from ratoon.training.devices import CPU
from ratoon.training.examples import ITEM_KEY, joined
from ratoon.training.files import dump, load_model
from ratoon.training.freedom import mask_of
from ratoon.training.group import Group
from ratoon.training.model import Model, fresh
from ratoon.training.passes import Course, Passes
from ratoon.training.places import Place
from ratoon.training.repeatable import repeatable
from ratoon.training.settings import Progress, TrainingSettings
from ratoon.training.widening import widened

OTHER = 1_000_003
"""How far apart the seeds of trainers are that teach one thing by other random choices: seeds that people choose are smaller."""


def _silent(_what: str, _done: float) -> None:
    """Tell nobody."""


class TwoTowerTrainer:
    """Teaches two towers; see `ratoon.ports.Trainer`.

    Args:
        settings: how.
        seed: of every random choice: the same seed and inputs give the same bytes on the same kind of device.
        progress: told after each pass.
        group: the processes that teach together, each by the same calls; None where there is only this one.
        folder: where a training of several passes under `full` and `dense` keeps what a rerun goes on from; None for nowhere.

    Raises:
        UsageError: CUDA is asked for, and there is none; or what one process alone can keep is asked of a group.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        seed: int,
        progress: Progress = _silent,
        group: Group | None = None,
        folder: Path | None = None,
    ) -> None:
        if group and (folder or settings.warm_optimiser):
            raise UsageError(
                "training.warm_optimiser",
                expected="false, and no folder for checkpoints, where processes train together",
                found=f"{settings.warm_optimiser}, folder {folder}",
                fix="Set it to false, or train in one process: each of a group remembers its own rows alone.",
            )
        self._settings, self._seed, self._folder = settings, seed, folder
        self._progress, self._group = progress, group
        self._passes = Passes(settings, seed, Place(settings, group), progress)

    def train(self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson) -> Files:
        """A model that has learnt `lesson`: from nothing under `full`, from `parent` under `rows` and `dense`.

        Without new interactions a rows plan teaches nothing: the tables only grow.

        Raises:
            DataError: nothing to learn from under `full` and `dense`; no parent, or one of another shape, under `rows`; one
                that has other inputs than `schema`, apart from lacking some, under `dense`; a loss that is not finite.
            UsageError: the plan is to skip.
        """
        with repeatable(self._settings.threads):
            match plan.scope:
                case "full":
                    model = self._full(plan, schema, lesson)
                case "rows":
                    model = self._rows(plan, schema, parent, lesson)
                case "dense":
                    model = self._dense(plan, schema, parent, lesson)
                case "skip":
                    raise UsageError("plan.scope", expected="rows, dense or full", found="skip", fix="Keep the parent's files.")
            fault_point("training.trained")
            files = dump(model, self._settings)
            if self._folder:
                remove(self._folder)
            return files

    def absorb(self, plan: RefreshPlan, model: Files, lesson: Lesson) -> Files:
        """`model` after one pass over `lesson`, each row and tensor moved by at most `absorb_bound` of its own length.

        What `plan` holds still stays still. Users met for the first time get rows.

        Raises:
            DataError: a loss that is not finite.
        """
        with repeatable(self._settings.threads):
            schema = TowerSchema.from_json(model["schema.json"].decode())
            learnt = load_model(model, schema, self._settings, CPU)
            first_new, losses = self._grow(learnt, lesson, plan), learnt.losses
            if lesson.new.num_rows:
                unjudged = replace(lesson, fit=lesson.fit.slice(0, 0))
                course = Course("absorb", 1, self._settings.absorb_bound, falls=True)
                self._passes.teach(learnt, mask_of(plan, learnt, first_new), unjudged, course)
            learnt.losses = losses
            return dump(learnt, self._settings)

    def averaged(self, models: Sequence[Files]) -> Files:
        """See `ratoon.training.averaging`.

        Raises:
            DataError: one was built for other features, or with another length or metric.
        """
        with repeatable(self._settings.threads):
            schema = TowerSchema.from_json(models[0]["schema.json"].decode())
            return dump(averaged([load_model(model, schema, self._settings, CPU) for model in models]), self._settings)

    def other(self, number: int) -> "TwoTowerTrainer":
        """The same with another seed, which keeps nothing on the way."""
        return TwoTowerTrainer(self._settings, self._seed + OTHER * number, self._progress, self._group)

    def _full(self, plan: RefreshPlan, schema: TowerSchema, lesson: Lesson) -> Model:
        table = _needed(schema, lesson)
        items, held = (ITEM_KEY, *schema.item), rules(schema, ())
        encoding = (
            Encoding.of(schema, table, lesson.catalogue, held).grown(items, lesson.catalogue, held).grown(items, table, held)
        )
        encoding, attendance = enrolled(encoding, {}, schema, lesson.new, plan.scope)
        model = fresh(schema, encoding, self._seed, self._settings, CPU)
        model.attendance = attendance
        course = Course("full", self._settings.epochs, checkpoints=self._kept(plan, schema, None, lesson))
        self._passes.teach(model, mask_of(plan, model, {}), lesson, course)
        return model

    def _rows(self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson) -> Model:
        if parent is None:
            raise DataError("parent", expected="a model to start from", found="none", fix="Run a full refresh first.")
        model = load_model(parent, schema, self._settings, CPU)
        first_new = self._grow(model, lesson, plan)
        if lesson.new.num_rows:
            unjudged = replace(lesson, fit=lesson.fit.slice(0, 0))
            course = Course("rows", self._settings.passes, self._settings.row_bound, first_new, falls=True)
            self._passes.teach(model, mask_of(plan, model, first_new), unjudged, course)
        return model

    def _dense(self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson) -> Model:
        table = _needed(schema, lesson)
        old = _parent(parent, self._settings, CPU)
        if effect(old.schema, schema) == "changed":
            raise DataError(
                "parent model's features",
                expected="all of them among the schema's, unchanged",
                found=", ".join(f"{change.feature} {change.kind}" for change in changes(old.schema, schema)),
                fix="Run a full refresh: only inputs that were added can be learnt on top.",
            )
        items, held = (ITEM_KEY, *schema.item), rules(schema, old.attendance)
        encoding = old.encoding.grown(items, lesson.catalogue, held).grown((*items, *schema.user), table, held)
        encoding, attendance = enrolled(encoding, old.attendance, schema, lesson.new, plan.scope)
        model = widened(old, schema, encoding, self._seed, self._settings)
        model.attendance = attendance
        model.memory = old.memory
        first_new = {name: len(old.tensors.get(name, ())) for name in model.tensors if name.startswith("table.")}
        kept = self._kept(plan, schema, parent, lesson)
        course = Course("dense", self._settings.passes, self._settings.row_bound, first_new, kept, falls=True)
        self._passes.teach(model, mask_of(plan, model, {}), lesson, course)
        return model

    def _kept(self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson) -> Checkpoints | None:
        passes = self._settings.epochs if plan.scope == "full" else self._settings.passes
        if self._folder is None or passes == 1:
            return None
        return Checkpoints(self._folder, key_of(plan, self._seed, self._settings, schema, parent, lesson))

    def _grow(self, model: Model, lesson: Lesson, plan: RefreshPlan) -> dict[str, int]:
        """Give every newcomer its rows, or those who are admitted; return each table's first new row."""
        items, held = (ITEM_KEY, *model.schema.item), rules(model.schema, model.attendance)
        encoding = model.encoding.grown(items, lesson.catalogue, held) if lesson.catalogue.num_rows else model.encoding
        table = joined(model.schema, [lesson.new, lesson.replay])
        if table is not None:
            encoding = encoding.grown((*items, *model.schema.user), table, held)
        seen = model.attendance
        encoding, model.attendance = enrolled(encoding, seen, model.schema, lesson.new, plan.scope, plan.writable)
        return model.grow(encoding, self._seed, self._settings)


def _needed(schema: TowerSchema, lesson: Lesson) -> pa.Table:
    """The rows that are learnt from; DataError if there are none."""
    table = joined(schema, [lesson.new, lesson.replay])
    if table is None:
        raise DataError(
            "lesson",
            expected="interactions to learn from",
            found="none",
            fix="Import or post interactions of more users: a tenth of the users is held back twice, to fit and to judge.",
        )
    return table


def _parent(parent: Files | None, settings: TrainingSettings, device: torch.device) -> Model:
    """The model in `parent`, under the schema it was made by."""
    if parent is None:
        raise DataError("parent", expected="a model to start from", found="none", fix="Run a full refresh first.")
    return load_model(parent, TowerSchema.from_json(parent["schema.json"].decode()), settings, device)
