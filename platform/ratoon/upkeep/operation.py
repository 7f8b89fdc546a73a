"""What every operation is, and what most of them need: the rows that they choose by, and the name of what they did."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from ratoon.domain.delta import part
from ratoon.domain.errors import DataError
from ratoon.domain.popularity import Timeline
from ratoon.domain.quality import Answers
from ratoon.domain.upkeep import DEPTHS, Point, Upkeep
from ratoon.judging import Pair, Questions, answers, questions, timeline
from ratoon.remaking import Remade
from ratoon.workshop import Task, Workshop

CHOOSING = 2_000
"""The fit rows that operations choose by, at most, the newest ones."""

LEAST = 200
"""Fewer rows than these that have come since say less than those that were learnt."""


def fit_rows(shop: Workshop, task: Task) -> Questions:
    """The newest fit rows of the waiting window and of before it: what operations choose by.

    Raises:
        DataError: there are none.
    """
    rows = pa.concat_tables([part(task.past, "fit"), part(task.delta.interactions, "fit")], promote_options="permissive")
    newest = rows.slice(max(0, rows.num_rows - CHOOSING))
    asked = questions(shop.log, newest, shop.labels).without(task.delta.removed_items)
    if not len(asked):
        raise DataError(
            "upkeep",
            expected="interactions among the fit rows, to choose by",
            found="none",
            fix="Wait for more events.",
        )
    return asked


def lately_of(shop: Workshop, task: Task, asked: Questions) -> Timeline:
    """What was popular at the moment of each question."""
    return timeline(shop.log, task.window, min([*asked.offsets, task.window.end + 1]))


@dataclass(frozen=True, slots=True)
class Operation(ABC):
    """One operation; its fields are its settings, and it raises UsageError for those that make no sense."""

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """The candidate; see `ratoon.remaking.Remake`."""

    def said(self, task: Task, choice: str, curve: Sequence[Point] = (), notes: Sequence[str] = ()) -> Upkeep:
        """What this operation says of itself."""
        return Upkeep(self.name, asdict(self), task.source, choice, tuple(curve), tuple(notes))


@dataclass(frozen=True, slots=True, eq=False)
class Choosing:
    """The newest fit rows, and what the source answers to them: what an operation chooses by.

    Attributes:
        asked: those. The source has learnt the ones of before the waiting window, so that only what candidates answer relative
            to it says anything, and of what it has lost by learning them too little.
        live: what was popular at the moment of each.
    """

    task: Task
    asked: Questions
    live: Timeline
    source: Answers

    @classmethod
    def of(cls, shop: Workshop, task: Task, source: Pair) -> "Choosing":
        """By what `source` answers."""
        asked = fit_rows(shop, task)
        live = lately_of(shop, task, asked)
        return cls(task, asked, live, answers(source, asked, max(DEPTHS), live))

    def answered(self, pair: Pair) -> Answers:
        """What a pair answers to the rows, as it would have been served at their moment."""
        return answers(pair, self.asked, max(DEPTHS), self.live)

    def relative(self, pair: Pair) -> float:
        """Recall at the greater depth of a candidate, relative to the source's; 1 where the source finds nothing."""
        before, after = (each.mean(each.hits) for each in (self.source, self.answered(pair)))
        return after / before if before else 1.0

    def fresh(self) -> "Choosing":
        """By the rows that have come since the source alone, if they are LEAST: what is taught again has learnt the others."""
        since = np.array([offset > self.task.upto.end for offset in self.asked.offsets], np.bool_)
        if since.sum() < LEAST:
            return self
        return Choosing(self.task, self.asked.where(since), self.live, self.source.where(since))
