"""Distil: a student that imitates teachers too wide, or too many, to be served.

The student starts from nothing and learns the release's own history again, `share` of its loss being to say of every user what
teachers say of the same items (Hinton et al. 2015, arXiv:1503.02531): the batch's own items and uniform draws, as in the ordinary
loss, so that soft targets cover what is popular and what is not. The average of several teachers is calmer than any of them
(Lakshminarayanan et al. 2017, arXiv:1612.01474), and most of what imitation gains comes from that.

`rows` and `dense` refreshes go on in the student's layers, at its width, and keep what it gained as long as any release keeps its
shared layers; `full` starts again from the configuration's width, without teachers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ratoon.domain.errors import UsageError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.upkeep import Point
from ratoon.judging import Pair
from ratoon.ports import Files, Teaching
from ratoon.remaking import Remade
from ratoon.upkeep.operation import Choosing, Operation
from ratoon.upkeep.relearning import Relearning
from ratoon.workshop import Task, Workshop

PLAN = RefreshPlan("full", "learnt again by upkeep")

MOST = 16
"""Teachers, at most: their vectors are held in memory for every interaction that is learnt."""


@dataclass(frozen=True, slots=True)
class Distil(Operation):
    """See the module.

    Attributes:
        hidden: width of the student's hidden layers; None for the configured one. Its vectors are as long as ever.
        teachers: how many are taught, each from another seed; with `teacher` none is.
        teacher: the beginnings of the ids of releases that teach instead; separated by commas.
        teacher_hidden, teacher_dim: width of the hidden layers, and length of the vectors, of those that are taught.
        teacher_attention: whether those read histories by attention instead of as a mean.
        share: of the loss that is imitation.
    """

    name: ClassVar[str] = "distil"

    hidden: int | None = None
    teachers: int = 4
    teacher: str = ""
    teacher_hidden: int = 256
    teacher_dim: int = 64
    teacher_attention: bool = False
    share: float = 0.9

    def __post_init__(self) -> None:
        """Refuse what nobody can learn from."""
        least = {"hidden": 1, "teachers": 1, "teacher_hidden": 1, "teacher_dim": 1}
        for name, bound in least.items():
            if (value := getattr(self, name)) is not None and value < bound:
                raise _refused(name, f"at least {bound}", value)
        if self.teachers > MOST:
            raise _refused("teachers", f"at most {MOST}", self.teachers)
        if not 0 < self.share <= 1:
            raise _refused("share", "above 0 and at most 1", self.share)

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """A student of the source's own history."""
        again, choosing = Relearning.of(shop, task, source), Choosing.of(shop, task, source)
        teachers = self._chosen(shop, task) or self.taught(again)
        models = {"alone": self.student(again, ()), "taught": self.student(again, teachers)}
        tried = {name: again.pair(model) for name, model in models.items()}
        curve = [Point(name, pair.disk, choosing.relative(pair), name == "taught") for name, pair in tried.items()]
        found = " against ".join(f"{point.recall:.4f} {point.name}" for point in reversed(curve))
        note = f"the same student in as many passes, share of the release's recall on fit rows: {found}"
        told = f"a student{f' of width {self.hidden}' if self.hidden else ''} of {self._whom(len(teachers))}"
        absorbed = again.absorbed(shop.trainer.varied(self._width()), models["taught"])
        return Remade(absorbed, self.said(task, told, curve, [note]))

    def taught(self, again: Relearning) -> tuple[Files, ...]:
        """Teachers, each of which a rerun finds as it was when it had learnt."""
        shop, settings = again.shop, {"hidden": self.teacher_hidden, "dim": self.teacher_dim}
        schema = attentive(again.task.schema) if self.teacher_attention else again.task.schema
        seeds = range(1, self.teachers + 1)
        trainers = (shop.trainer.varied(settings, shop.seed + number, f"teacher-{number}") for number in seeds)
        return tuple(trainer.train(PLAN, schema, None, again.lesson) for trainer in trainers)

    def student(self, again: Relearning, teachers: Sequence[Files]) -> Files:
        """A student that has learnt the train rows; alone, if there are no teachers, and then found by a rerun likewise."""
        teaching = Teaching(tuple(teachers), self.share) if teachers else None
        trainer = again.shop.trainer.varied(self._width(), kept=None if teachers else "alone")
        return trainer.train(PLAN, again.task.schema, None, again.lesson, teaching)

    def _width(self) -> Mapping[str, Any]:
        return {} if self.hidden is None else {"hidden": self.hidden}

    def _whom(self, count: int) -> str:
        if self.teacher:
            return f"release {self.teacher}" if count == 1 else f"releases {self.teacher}"
        attentive = " with attention" if self.teacher_attention else ""
        return f"{count} teacher{'s' * (count > 1)} of width {self.teacher_hidden} and length {self.teacher_dim}{attentive}"

    def _chosen(self, shop: Workshop, task: Task) -> tuple[Files, ...]:
        """Releases as teachers; UsageError for one that reads other features."""
        found: list[Files] = []
        for beginning in filter(None, (name.strip() for name in self.teacher.split(","))):
            files = shop.registry.load(shop.registry.get(beginning))
            if TowerSchema.from_json(files[SCHEMA].decode()).hash != task.schema.hash:
                raise UsageError(
                    "--teacher",
                    expected="a release that reads the features of feature_repo/ as it is now",
                    found=f"{beginning}, which reads others",
                    fix="Name a release of the same features, or none, so that teachers are taught from the release's history.",
                )
            found.append(files)
        return tuple(found)


def attentive(schema: TowerSchema) -> TowerSchema:
    """The same features, histories read by attention."""
    user = tuple(replace(feature, kind="attention") if feature.kind == "history" else feature for feature in schema.user)
    return replace(schema, user=user)


def _refused(name: str, expected: str, found: object) -> UsageError:
    return UsageError(f"--{name.replace('_', '-')}", expected=expected, found=str(found), fix="Change the option.")
