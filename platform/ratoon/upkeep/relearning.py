"""What a release has learnt, to be learnt again in another way: no row of what waits, and none that came after it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.delta import Split, part
from ratoon.domain.errors import DataError
from ratoon.domain.labels import taught
from ratoon.domain.plan import RefreshPlan
from ratoon.judging import Pair
from ratoon.ports import Files, Lesson, Trainer
from ratoon.remaking import reembedded
from ratoon.workshop import Task, Workshop


@dataclass(frozen=True, slots=True, eq=False)
class Relearning:
    """A release's lessons.

    Attributes:
        past: the interactions that its window and those before it held, of all parts.
        catalogue: its items, with their features of then.
    """

    shop: Workshop
    task: Task
    source: Pair
    past: pa.Table
    catalogue: pa.Table

    @classmethod
    def of(cls, shop: Workshop, task: Task, source: Pair) -> "Relearning":
        """Of a task's source.

        Raises:
            DataError: nothing is left of what it learnt.
        """
        past = task.past.filter(pc.less_equal(task.past.column("offset"), task.upto.end))
        if not part(past, "train").num_rows:
            raise DataError(
                "upkeep",
                expected="interactions that the release has learnt, to learn them again",
                found="none",
                fix="Choose a later release.",
            )
        return cls(shop, task, source, past, shop.features.items(source.index.ids(), task.upto.as_of))

    @property
    def lesson(self) -> Lesson:
        """Its train rows, with its fit rows to say when to stop."""
        return Lesson(self._rows("train"), self.past.slice(0, 0), self._rows("fit"), self.catalogue)

    def absorbed(self, trainer: Trainer, model: Files) -> Pair:
        """What a model is as a release, once it has also learnt the rows that were held back.

        The item tower's layers stay as they are, as under a rows refresh: one pass over so few rows wears them. On
        MovieTweetings-100k a tenth of what a release had come to find of items with few events was lost with it.
        """
        held, train = self._rows("fit", "gate"), self._rows("train")
        rng = np.random.default_rng([self.shop.seed, self.task.upto.end])
        again = np.sort(rng.choice(train.num_rows, min(held.num_rows, train.num_rows), replace=False))
        plan = RefreshPlan("rows", "absorbed by upkeep", tuple(sorted(set(held.column("item_id").to_pylist()))))
        lesson = Lesson(held, train.take(pa.array(again)), held.slice(0, 0), self.catalogue)
        return self.pair(trainer.absorb(plan, model, lesson))

    def pair(self, model: Files) -> Pair:
        """What a model is as a release."""
        return reembedded(self.shop, self.task, self.source, model)

    def _rows(self, *parts: Split) -> pa.Table:
        return taught(part(self.past, *parts), self.shop.labels, self.shop.caps)[0]
