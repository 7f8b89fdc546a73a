"""The `Trainer` port: what is built, loaded and grown under each plan before it is taught."""

from dataclasses import replace

import pyarrow as pa
import torch

from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.evolution import changes, effect
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import TowerSchema
from ratoon.durable import fault_point
from ratoon.ports import Files, Lesson
from ratoon.training.devices import chosen
from ratoon.training.examples import ITEM_KEY, joined
from ratoon.training.files import dump, load_model
from ratoon.training.freedom import bounded, mask_of
from ratoon.training.model import Model, fresh
from ratoon.training.passes import Passes
from ratoon.training.repeatable import repeatable
from ratoon.training.settings import Progress, TrainingSettings
from ratoon.training.widening import widened


def _silent(_what: str, _done: float) -> None:
    """Tell nobody."""


class TwoTowerTrainer:
    """Teaches two towers; see `ratoon.ports.Trainer`.

    Args:
        settings: how.
        seed: of every random choice: the same seed and inputs give the same bytes on the same kind of device.
        progress: told after each pass.

    Raises:
        UsageError: CUDA is asked for, and there is none.
    """

    def __init__(self, settings: TrainingSettings, seed: int, progress: Progress = _silent) -> None:
        self._settings, self._seed, self._device = settings, seed, chosen(settings.device)
        self._passes = Passes(settings, seed, self._device, progress)

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
            return dump(model, self._settings)

    def absorb(self, plan: RefreshPlan, model: Files, lesson: Lesson) -> Files:
        """`model` after one pass over `lesson`, each row and tensor moved by at most `absorb_bound` of its own length.

        What `plan` holds still stays still. Users met for the first time get rows.

        Raises:
            DataError: a loss that is not finite.
        """
        with repeatable(self._settings.threads):
            schema = TowerSchema.from_json(model["schema.json"].decode())
            learnt = load_model(model, schema, self._settings, self._device)
            first_new, losses = self._grow(learnt, lesson), learnt.losses
            before = {name: tensor.clone() for name, tensor in learnt.tensors.items()}
            if lesson.new.num_rows:
                unjudged = replace(lesson, fit=lesson.fit.slice(0, 0))
                self._passes.teach(learnt, mask_of(plan, learnt, first_new), unjudged, 1, "absorb")
            learnt.losses = losses
            learnt.tensors = bounded(before, learnt.tensors, self._settings.absorb_bound)
            return dump(learnt, self._settings)

    def _full(self, plan: RefreshPlan, schema: TowerSchema, lesson: Lesson) -> Model:
        table = _needed(schema, lesson)
        items = (ITEM_KEY, *schema.item)
        encoding = Encoding.of(schema, table, lesson.catalogue).grown(items, lesson.catalogue).grown(items, table)
        model = fresh(schema, encoding, self._seed, self._settings, self._device)
        self._passes.teach(model, mask_of(plan, model, {}), lesson, self._settings.epochs, "full")
        return model

    def _rows(self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson) -> Model:
        if parent is None:
            raise DataError("parent", expected="a model to start from", found="none", fix="Run a full refresh first.")
        model = load_model(parent, schema, self._settings, self._device)
        first_new = self._grow(model, lesson)
        if lesson.new.num_rows:
            unjudged = replace(lesson, fit=lesson.fit.slice(0, 0))
            self._passes.teach(model, mask_of(plan, model, first_new), unjudged, self._settings.passes, "rows")
        return model

    def _dense(self, plan: RefreshPlan, schema: TowerSchema, parent: Files | None, lesson: Lesson) -> Model:
        table = _needed(schema, lesson)
        old = _parent(parent, self._settings, self._device)
        if effect(old.schema, schema) == "changed":
            raise DataError(
                "parent model's features",
                expected="all of them among the schema's, unchanged",
                found=", ".join(f"{change.feature} {change.kind}" for change in changes(old.schema, schema)),
                fix="Run a full refresh: only inputs that were added can be learnt on top.",
            )
        items = (ITEM_KEY, *schema.item)
        encoding = old.encoding.grown(items, lesson.catalogue).grown((*items, *schema.user), table)
        model = widened(old, schema, encoding, self._seed, self._settings)
        self._passes.teach(model, mask_of(plan, model, {}), lesson, self._settings.passes, "dense")
        return model

    def _grow(self, model: Model, lesson: Lesson) -> dict[str, int]:
        """Give every newcomer its rows; return each table's first new row."""
        items = (ITEM_KEY, *model.schema.item)
        encoding = model.encoding.grown(items, lesson.catalogue) if lesson.catalogue.num_rows else model.encoding
        table = joined(model.schema, [lesson.new, lesson.replay])
        if table is not None:
            encoding = encoding.grown((*items, *model.schema.user), table)
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
