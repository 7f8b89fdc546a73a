"""A student of half the width beside its teachers, and beside the same student without any."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ratoon.bench.row import Row, at_least, told
from ratoon.bench.upkeep.scene import Scene
from ratoon.domain.embedding import Vectors
from ratoon.domain.gate import compare
from ratoon.domain.popularity import WIDTH
from ratoon.domain.release import Metric
from ratoon.judging import Pair
from ratoon.ports import Towers
from ratoon.remaking import filled
from ratoon.upkeep.distil import Distil
from ratoon.upkeep.relearning import Relearning

HALF = 64
"""Hidden units of the student: half of what is configured by default."""

DRAWS = 500
"""Bootstrap resamples of users."""


class Together:
    """Several towers as one: the mean of their scores, by the source's weights of popularity."""

    metric: Metric = "dot"

    def __init__(self, towers: Sequence[Towers], popularity: Vectors) -> None:
        self._towers, self.popularity = towers, popularity
        self.dim = sum(one.dim for one in towers) + len(popularity)

    def weighed(self, popularity: Vectors) -> "Together":
        """The same towers, to whose users the traits are worth something else."""
        return Together(self._towers, popularity)

    def users(self, table: pa.Table) -> Vectors:
        """Shape (n, dim)."""
        worth = np.broadcast_to(self.popularity, (table.num_rows, len(self.popularity)))
        return np.concatenate([*self._each([one.users(table) for one in self._towers]), worth], axis=1, dtype=np.float32)

    def items(self, table: pa.Table) -> Vectors:
        """Shape (n, dim), with zeros where traits go."""
        blank = np.zeros((table.num_rows, len(self.popularity)), np.float32)
        return np.concatenate([*self._each([one.items(table) for one in self._towers]), blank], axis=1)

    def _each(self, vectors: Sequence[Vectors]) -> list[Vectors]:
        return [each / np.float32(len(vectors) ** 0.5) for each in vectors]


def measure(scene: Scene) -> Mapping[str, float]:
    """Recall@50 of the teachers together, and of the student taught and alone; all have learnt the train rows alone."""
    operation, again = Distil(hidden=HALF), Relearning.of(scene.shop, scene.task, scene.source)
    teachers = operation.taught(again)
    alone = scene.answered(again.pair(operation.student(again, ())))
    taught = scene.answered(again.pair(operation.student(again, teachers)))
    found = compare(alone, taught, draws=DRAWS, rng=np.random.default_rng([scene.seed, 1]))
    open_towers, source = scene.shop.open_towers, scene.source
    together = Together([open_towers(files) for files in teachers], source.towers.popularity)
    vectors = together.items(again.catalogue)
    vectors[:, -WIDTH:] = source.index.vectors(source.index.ids())[:, -WIDTH:]
    teacher = Pair(source.model, together, filled(scene.shop, scene.task, source, together, vectors), source.upto)  # type: ignore[arg-type]
    return {
        "teacher": scene.recall(teacher),
        "taught": found.candidate,
        "alone": found.parent,
        "low": found.low,
        "high": found.high,
    }


def rows(figures: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Row]:
    """One line against the teachers, and one against the student alone, each by the worst set."""
    means = {name: {key: float(np.mean([one[key] for one in found])) for key in found[0]} for name, found in figures.items()}
    share = {name: one["taught"] / one["teacher"] for name, one in means.items()}
    each = "; ".join(
        f"{name}: teachers {one['teacher']:.4f}, taught {one['taught']:.4f}, alone {one['alone']:.4f}, "
        f"95 % interval of the gain {one['low']:+.4f} to {one['high']:+.4f}"
        for name, one in means.items()
    )
    gain = {name: one["taught"] / one["alone"] - 1 for name, one in means.items()}
    return [
        at_least(
            "half-width student with teachers: share of the teachers' recall@50, worst set",
            min(share.values()),
            0.99,
            f"4 teachers of width 256, their scores averaged; {each}",
        ),
        at_least(
            "half-width student with teachers over the same alone: lower end of the interval of recall@50, worst set",
            min(one["low"] for one in means.values()),
            0.0,
            "the same student, passes and rows without teachers; mean over seeds of the bootstrap's lower end by users",
            "recall",
        ),
        told("half-width student with teachers over the same alone, worst set", min(gain.values()), "share of recall@50", each),
    ]
